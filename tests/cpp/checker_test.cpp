// The checker, at every byte address in and around a region: its result must be the one that
// follows from walk().

#include <gtest/gtest.h>

#include "drawing.hpp"
#include "heap_fixture.hpp"

namespace glassheap {
namespace {

struct Expected {
  FaultKind kind;
  Address owner = 0;
  FaultKind or_else = kind;  // equally valid

  [[nodiscard]] bool allows(FaultKind found) const { return found == kind || found == or_else; }
};

// The expected fault of a pointer, from the blocks that walk() reports. Without headers, the memory
// that it points to decides. With headers:
//
//   - A payload may be empty. The pointer to it is then the start of the next block, or the end of
//     the region. So the memory 16 bytes before the pointer, where its header would be, is examined
//     first: if that is free, the pointer's block, if there was one, has been freed. At the end of
//     the region foreign_pointer is equally valid, and at the start of a live block
//     interior_pointer.
//   - Otherwise the memory that it points to decides.
class Oracle {
 public:
  explicit Oracle(HeapFixture& heap)
      : base_(heap->base()),
        end_(base_ + heap->size()),
        front_(front_of(heap->options())),
        bytes_(heap.walk()) {}

  [[nodiscard]] Expected operator()(Address pointer) const {
    const BlockInfo* const front = around(pointer - front_);
    if (front != nullptr && front->live && front->address == pointer) return {FaultKind::none};
    if (front_ != 0 && (pointer - base_) % 16 == 0 && front != nullptr && !front->live)
      return behind_free(pointer);
    return in_its_place(pointer);
  }

 private:
  // The fault of a pointer whose header would be in free memory.
  [[nodiscard]] Expected behind_free(Address pointer) const {
    const BlockInfo* const block = around(pointer);
    if (block != nullptr && block->live)
      return {FaultKind::interior_pointer, 0, FaultKind::double_free};
    return {FaultKind::double_free, 0,
            pointer == end_ ? FaultKind::foreign_pointer : FaultKind::double_free};
  }
  [[nodiscard]] Expected in_its_place(Address pointer) const {
    const Offset at = pointer - base_;  // the unused granule before the blocks is in the region too
    if (at < end_ - base_ && at % 16 != 0) return {FaultKind::misaligned_pointer};
    const BlockInfo* const block = around(pointer);
    if (block == nullptr) return {FaultKind::foreign_pointer};
    if (!block->live) return {FaultKind::double_free};
    return {FaultKind::interior_pointer, block->address};
  }
  [[nodiscard]] const BlockInfo* around(Address at) const {
    for (const BlockInfo& block : bytes_) {
      if (at - block.start < block.extent) return &block;
    }
    return nullptr;
  }

  Address base_, end_;
  Size front_;
  std::vector<BlockInfo> bytes_;
};

struct Drawing {
  const char* heap;
  bool headers;
};

void PrintTo(const Drawing& drawn, std::ostream* out) {
  *out << drawn.heap << (drawn.headers ? "" : ", headerless");
}

class PointerCheck : public ::testing::TestWithParam<Drawing> {
 public:
  static Options counted_from(std::optional<Address> base) {
    Options options = sized(400);
    options.base = base;
    options.headers = GetParam().headers;
    return options;
  }
  static std::vector<Address> everywhere(HeapFixture& heap) {
    std::vector<Address> pointers = {
        1, 15, 16, 17, ~Address{0}, ~Address{0} - 15, Address{1} << 63};
    for (Address at = heap->base() - 64; at != heap->base() + heap->size() + 64; ++at)
      if (at != 0) pointers.push_back(at);
    return pointers;
  }
  static void expect_agreement(HeapFixture& heap) {
    const Oracle oracle(heap);
    for (const Address pointer : everywhere(heap)) {
      const Expected expected = oracle(pointer);
      Fault fault;
      const Size usable = heap->usable_size(pointer, fault);
      const auto where = static_cast<std::int64_t>(pointer - heap->base());
      EXPECT_TRUE(expected.allows(fault.kind))
          << "at " << where << " of " << drawing(heap) << ": " << sentence(fault);
      EXPECT_EQ(usable != 0 || heap.contains(pointer), expected.kind == FaultKind::none) << where;
      if (!fault) continue;
      EXPECT_EQ(fault.address, pointer);
      EXPECT_EQ(expected.owner == 0 ? 0 : fault.owner, expected.owner) << where;
    }
  }
};

std::vector<Drawing> drawings(bool headers, std::initializer_list<const char*> texts) {
  std::vector<Drawing> drawings;
  for (const char* heap : texts) drawings.push_back({heap, headers});
  return drawings;
}

INSTANTIATE_TEST_SUITE_P(
    Heaps, PointerCheck,
    ::testing::ValuesIn(drawings(true, {"...", "[100]...", "[100][.48.][16]...", "[.0.][16]...",
                                        "[16][.0.][16][.16.][0]...", "[384]", "[.80.][288]",
                                        "[0][0][0][0]...", "[.16.][0][.0.][0][.64.][7]...",
                                        "[368][0]", "[0][368]", "[.336.][0][0][0]"})));
INSTANTIATE_TEST_SUITE_P(
    HeaderlessHeaps, PointerCheck,
    ::testing::ValuesIn(drawings(false, {"...", "[112]...", "[112][.48.][16]...", "[.16.][16]...",
                                         "[16][.16.][16][.32.][16]...", "[16][16][16][16]...",
                                         "[.32.][16][.16.][16][.64.][64]..."})));

TEST_P(PointerCheck, AgreesWithTheWalk) {
  for (const auto base :
       {std::optional<Address>{}, std::optional<Address>{0}, std::optional<Address>{0x10000}}) {
    HeapFixture heap(counted_from(base));
    arrange(heap, GetParam().heap);
    ASSERT_EQ(drawing(heap), GetParam().heap);
    expect_agreement(heap);
  }
}

// free and realloc use the same checker, and a call that is refused changes nothing.
TEST_P(PointerCheck, IsTheSameInFreeAndRealloc) {
  HeapFixture heap(counted_from(std::nullopt));
  arrange(heap, GetParam().heap);
  const Oracle oracle(heap);
  for (const Address pointer : everywhere(heap)) {
    const Expected expected = oracle(pointer);
    if (expected.kind == FaultKind::none) continue;
    EXPECT_TRUE(expected.allows(heap.refused_free(pointer).kind)) << pointer - heap->base();
    EXPECT_TRUE(expected.allows(heap.refused_realloc(pointer, 1).kind)) << pointer - heap->base();
  }
}

TEST_P(PointerCheck, AcceptsEveryLivePayload) {
  HeapFixture heap(counted_from(std::nullopt));
  arrange(heap, GetParam().heap);
  for (const BlockInfo& block : heap.walk()) {
    if (block.live) heap.free(block.address);
  }
  EXPECT_EQ(drawing(heap), "...");
}

// Heaps without headers, filled to the last byte. (With base 0 they would be a granule shorter.)
TEST(PointerCheckOfAFullHeap, AgreesWithTheWalk) {
  for (const char* const text : {"[400]", "[.80.][320]", "[384][16]", "[16][384]", "[.352.][48]"}) {
    Options headerless = sized(400);
    headerless.headers = false;
    HeapFixture heap(headerless);
    arrange(heap, text);
    ASSERT_EQ(drawing(heap), text);
    PointerCheck::expect_agreement(heap);
  }
}

// A double free is detected whatever was merged since, for each size and each kind of neighbours.
class DoubleFree : public EveryPolicy {};
INSTANTIATE_TEST_SUITE_P(Policies, DoubleFree, ::testing::ValuesIn(variants()), by_name);

TEST_P(DoubleFree, IsDetectedWhateverWasMergedSince) {
  for (const Size size : {0U, 1U, 16U, 17U, 100U}) {
    for (unsigned freed = 0; freed < 4; ++freed) {
      HeapFixture heap(options(400));
      const Address left = heap.malloc(16);
      const Address middle = heap.malloc(size);
      const Address right = heap.malloc(16);
      if ((freed & 1) != 0) heap.free(left);
      heap.free(middle);
      if ((freed & 2) != 0) heap.free(right);
      EXPECT_EQ(heap.refused_free(middle).kind, FaultKind::double_free)
          << size << " bytes, in " << drawing(heap);
    }
  }
}

}  // namespace
}  // namespace glassheap
