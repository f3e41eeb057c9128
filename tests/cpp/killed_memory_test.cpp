// A process dies inside a call, and the next one has no memory for the recovery. It is refused, and
// what the dead process has recorded stays until one has the memory.

#include <cstdlib>
#include <new>

#include "crash_injection.hpp"
#include "printing.hpp"

namespace {

std::size_t allocations_left = 0;  // until one fails; 0: none fails

}  // namespace

void* operator new(std::size_t size) {
  const bool fails = allocations_left != 0 && --allocations_left == 0;
  void* const memory = fails ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { std::free(memory); }

namespace glassheap {
namespace {

class ShortOfMemory : public ::testing::Test {
 protected:
  // A child is killed inside a batch of six blocks.
  void SetUp() override {
    ASSERT_NE(heap_->malloc(100, granule_size, fault_), 0U);
    ASSERT_TRUE(killed_in_child([this] {
      const std::vector<Size> sizes(6, 100);
      std::vector<Address> got(6);
      const auto own = open_in(bytes_, std::nullopt);
      stores_left = 12;
      own->malloc_many(sizes, got, fault_);
    }));
  }
  void expect_recovered(SharedHeap& heap) {
    EXPECT_EQ(heap.live_blocks(fault_), 1U);
    EXPECT_TRUE(heap.check(fault_).empty());
    EXPECT_EQ(heap.stats(fault_).recovered, 1U);
    EXPECT_FALSE(fault_) << sentence(fault_);
  }

  SharedBytes bytes_;
  std::unique_ptr<SharedHeap> heap_ = open_in(bytes_, Options());
  Fault fault_;
};

TEST_F(ShortOfMemory, ACallIsRefusedAndTheNextRecovers) {
  allocations_left = 1;
  const Address none = heap_->malloc(10, granule_size, fault_);
  allocations_left = 0;
  EXPECT_EQ(none, 0U);
  EXPECT_EQ(fault_.kind, FaultKind::no_pages) << sentence(fault_);
  fault_ = {};
  expect_recovered(*heap_);
}

// Each allocation of an attachment fails in turn, until one attaches.
TEST_F(ShortOfMemory, AnAttachmentIsRefusedAndALaterOneRecovers) {
  ASSERT_TRUE(heap_->close(fault_));
  SharedHeap::Opening opening;
  opening.location.data = bytes_.data();
  opening.location.size = segment_size;
  std::unique_ptr<SharedHeap> heap;
  for (std::size_t which = 1; heap == nullptr && which < 100; ++which) {
    Fault refusal;
    try {
      allocations_left = which;
      heap = SharedHeap::attach(opening, "", refusal);
    } catch (const std::bad_alloc&) {
      refusal.kind = FaultKind::no_pages;
    }
    allocations_left = 0;
    EXPECT_TRUE(heap != nullptr || refusal.kind == FaultKind::no_pages) << sentence(refusal);
  }
  ASSERT_NE(heap, nullptr);
  expect_recovered(*heap);
}

}  // namespace
}  // namespace glassheap
