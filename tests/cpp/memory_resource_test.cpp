// HeapResource: containers of std::pmr in heaps of every policy and base, requests that are
// refused, and pointers that are no payload.

#include "glassheap/memory_resource.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "every_policy.hpp"

namespace glassheap {
namespace {

bool is_inside(const Heap& heap, const void* pointer) {
  return std::bit_cast<Address>(pointer) - heap.address() < heap.size();
}

// The real base, base 0, and one that is neither.
const std::optional<Address> bases[] = {std::nullopt, 0, 0x10000};

class Resource : public EveryPolicy {};
GLASSHEAP_FOR_EVERY(Resource);

TEST_P(Resource, HoldsContainersAndAlignsRealPointers) {
  for (const std::optional<Address> base : bases) {
    const CheckedHeap heap(based(options(1 << 16), base));
    HeapResource resource(*heap);
    {
      std::pmr::map<int, std::pmr::string> names(&resource);
      std::pmr::unordered_map<int, std::pmr::vector<double>> rows(&resource);
      for (int i = 0; i < 50; ++i) {
        names[i] = std::string(40, static_cast<char>('a' + i % 26));
        rows[i].assign(7, i);
      }
      for (int i = 0; i < 50; i += 2) names.erase(i);
      EXPECT_EQ(names[1], std::pmr::string(40, 'b'));
      EXPECT_EQ(rows[49], (std::pmr::vector<double>(7, 49.0)));
      EXPECT_TRUE(is_inside(*heap, names[1].data()) && is_inside(*heap, rows[49].data()));
    }
    for (std::size_t align = 1; align <= 1024; align *= 2) {
      void* const payload = resource.allocate(24, align);
      EXPECT_EQ(std::bit_cast<Address>(payload) % align, 0U);
      EXPECT_TRUE(is_inside(*heap, payload));
      resource.deallocate(payload, 24, align);
    }
    Fault fault;
    EXPECT_EQ(heap->live_blocks(fault), 0U);
    EXPECT_TRUE(heap->check(fault).empty());
  }
}

TEST_P(Resource, ThrowsTheSentenceOfARefusalAndServesAgain) {
  CheckedHeap heap(options(4096));
  HeapResource resource(*heap);
  std::pmr::vector<char> kept(100, 'k', &resource);
  Fault fault;
  heap->malloc(5000, 16, fault);
  try {
    kept.reserve(5000);
    FAIL() << "5000 bytes in a heap of 4096";
  } catch (const std::bad_alloc& refused) {
    EXPECT_EQ(refused.what(), sentence(fault));
  }
  EXPECT_EQ(kept, (std::pmr::vector<char>(100, 'k')));
  std::pmr::vector<std::pmr::string> lines(&resource);
  EXPECT_THROW(while (true) lines.emplace_back(100, 'x'), RefusedRequest);
  lines.clear();
  lines.shrink_to_fit();
  EXPECT_EQ(heap.view().stats.live_blocks, 1U);
  lines.emplace_back(100, 'x');
  EXPECT_TRUE(heap->check(fault).empty());
}

TEST(ResourceErrors, AnAlignmentBeyondTheLimitIsInvalid) {
  CheckedHeap heap(sized(4096));
  HeapResource resource(*heap);
  try {
    static_cast<void>(resource.allocate(16, 8192));
    FAIL() << "8192 is more than a quarter of the region";
  } catch (const RefusedRequest& refused) {
    EXPECT_EQ(refused.fault().kind, FaultKind::invalid_alignment);
    const RefusedRequest copy = refused;
    EXPECT_EQ(copy.what(), sentence(refused.fault()));
  }
}

TEST(ResourceErrors, ABadPointerIsPassedToTheHandlerAndChangesNothing) {
  for (const std::optional<Address> base : bases) {
    const CheckedHeap heap(based(sized(4096), base));
    using Refusals = std::vector<std::pair<void*, FaultKind>>;
    Refusals refusals;
    HeapResource resource(*heap, [&refusals](const Fault& fault, void* payload) {
      refusals.emplace_back(payload, fault.kind);
    });
    auto* const payload = static_cast<std::byte*>(resource.allocate(100, 16));
    const HeapView before = heap.view();
    std::byte outside{};
    const Refusals expected = {{payload + 16, FaultKind::interior_pointer},
                               {payload + 1, FaultKind::misaligned_pointer},
                               {&outside, FaultKind::foreign_pointer}};
    for (const auto& [wrong, kind] : expected) resource.deallocate(wrong, 100, 16);
    EXPECT_EQ(refusals, expected);
    resource.deallocate(heap.at(heap->base()), 100, 16);
    EXPECT_EQ(refusals.back().first, heap.at(heap->base()));
    EXPECT_EQ(heap.view(), before);
    resource.deallocate(payload, 100, 16);
    resource.deallocate(payload, 100, 16);
    EXPECT_EQ(refusals.back(), (std::pair<void*, FaultKind>(payload, FaultKind::double_free)));
  }
}

TEST(ResourceErrorsDeathTest, WithoutAHandlerABadPointerAborts) {
  CheckedHeap heap(sized(4096));
  HeapResource resource(*heap);
  void* const payload = resource.allocate(100, 16);
  resource.deallocate(payload, 100, 16);
  EXPECT_DEATH(resource.deallocate(payload, 100, 16), "glassheap: the memory at 0x.* is free");
}

TEST(ResourceEquality, HoldsForResourcesOverOneHeap) {
  CheckedHeap heap(sized(4096));
  CheckedHeap other(sized(4096));
  const HeapResource resource(*heap);
  EXPECT_TRUE(resource == HeapResource(*heap));
  EXPECT_FALSE(resource == HeapResource(*other));
  EXPECT_FALSE(resource == *std::pmr::new_delete_resource());
}

}  // namespace
}  // namespace glassheap
