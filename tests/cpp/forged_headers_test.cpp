// Forged headers: a heap with headers rejects a header that was made up in user data, copied from
// another block, kept from an earlier block, or overwritten by a neighbour.

#include <gtest/gtest.h>

#include <cstring>

#include "heap_fixture.hpp"

namespace glassheap {
namespace {

class ForgedHeader : public EveryPolicy {
 protected:
  HeapFixture heap_{options(1024)};
};
INSTANTIATE_TEST_SUITE_P(Policies, ForgedHeader, ::testing::ValuesIn(variants(has_headers)),
                         by_name);

// A header forged in a payload, with the right magic number, does not make a block.
TEST_P(ForgedHeader, InUserDataIsAnInteriorPointer) {
  const Address payload = heap_.malloc(200);
  std::memcpy(heap_.at(payload + 32), heap_.at(payload - 16), 16);
  const Fault fault = heap_.refused_free(payload + 48);
  EXPECT_EQ(fault.kind, FaultKind::interior_pointer);
  EXPECT_EQ(fault.owner, payload);
  EXPECT_TRUE(heap_.check().empty());
}

// A sound header, copied in front of another block of the same size: the seal includes the offset.
TEST_P(ForgedHeader, CopiedFromAnotherBlockIsDetected) {
  const Address a = heap_.malloc(64);
  const Address b = heap_.malloc(64);
  int detected = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    heap_.reset();
    heap_.malloc(64);
    heap_.malloc(64);
    std::memcpy(heap_.at(b - 16), heap_.at(a - 16), 16);
    Fault fault;
    if (!heap_->free(b, fault)) detected += fault.kind == FaultKind::header_corrupted ? 1 : 0;
  }
  EXPECT_GE(detected, 19) << "A copied header may fit once in 65,536 times.";
}

// The same, for policies whose heap is as new once every block is freed.
class ReplayedHeader : public ForgedHeader {};
INSTANTIATE_TEST_SUITE_P(Policies, ReplayedHeader,
                         ::testing::ValuesIn(variants(has_headers, coalesces_fully)), by_name);

// The header of an earlier block at this address, written back: its seal is valid for its old
// serial, but the block's extent has changed.
TEST_P(ReplayedHeader, IsDetectedIfTheExtentHasChanged) {
  const Address old = heap_.malloc(64);
  std::byte header[16];
  std::memcpy(header, heap_.at(old - 16), sizeof header);
  heap_.free(old);
  ASSERT_EQ(heap_.malloc(200), old);
  std::memcpy(heap_.at(old - 16), header, sizeof header);
  EXPECT_EQ(heap_.refused_free(old).kind, FaultKind::header_corrupted);
}

// An overflow of the left neighbour, or an underflow, as real programs have it.
TEST_P(ForgedHeader, WrittenByAnOverflowIsDetectedAtItsFree) {
  for (Size over = 1; over <= 16; ++over) {
    heap_.reset();
    const Address left = heap_.malloc(32);
    const Address right = heap_.malloc(32);
    ASSERT_EQ(heap_.info(left).start + extent(32), heap_.info(right).start);
    std::memset(heap_.at(left), 'A', extent(32) - 16 + over);
    const Fault fault = heap_.refused_free(right);
    EXPECT_TRUE(is_corruption(fault.kind)) << over;
    EXPECT_EQ(fault.offset, right - 16 - heap_->base());
  }
}

}  // namespace
}  // namespace glassheap
