// A process is killed between any two stores while it takes a reference to a shared block, sends,
// receives or drops one. The next process finds a consistent table of references.

#include <cmath>

#include "crash_injection.hpp"
#include "shared/holders.hpp"

namespace glassheap {
namespace {

// A process is killed while it takes a reference, sends, receives or drops one: the other process
// keeps its own, and no block is left without a reference. When the dead processes are reaped, nothing
// is left of the child.
enum class Last { drop_only, drop, send, receive, receive_again, reap };  // the child's last call

class KilledHolder : public ::testing::TestWithParam<Last> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(heap_->acquire(100, granule_size, handle_, fault_));
    ASSERT_TRUE(heap_->acquire(100, granule_size, other_, fault_));
    ASSERT_TRUE(heap_->share(handle_, fault_)) << "the reference of this process";
  }

  // The child's calls; it is killed at its store number `store`.
  void work(std::uint64_t store) {
    const Last last = GetParam();
    bool freed = false;
    Fault fault;
    stores_left = store;
    if (last == Last::reap) {
      heap_->reap(HUGE_VAL, fault);
      return;
    }
    const Handle& used = last == Last::drop_only ? other_ : handle_;
    if (last != Last::receive) heap_->share(used, fault);
    if (last == Last::drop || last == Last::drop_only) heap_->drop_ref(used, freed, fault);
    if (last == Last::send) heap_->send(used, fault);
    if (last >= Last::receive) heap_->receive(used, ticket_, fault);
  }
  Size holders_of(const Handle& handle) {
    for (const OwnedBlock& owned : heap_->owners(fault_)) {
      if (owned.block.address == handle.address) return owned.holders;
    }
    return 0;
  }
  bool is_live(const Handle& handle) {
    Fault stale;
    return heap_->is_current(handle, stale);
  }

  SharedBytes bytes_;
  std::unique_ptr<SharedHeap> heap_ = open_in(bytes_, Options());
  Handle handle_;
  Handle other_;
  std::uint64_t ticket_ = 0;  // of this process, for the child
  Fault fault_;
};
INSTANTIATE_TEST_SUITE_P(Operations, KilledHolder,
                         ::testing::Values(Last::drop_only, Last::drop, Last::send, Last::receive,
                                           Last::receive_again, Last::reap));

TEST_P(KilledHolder, LeavesAConsistentTable) {
  bool died = true;
  bool was_shared = false;  // by the child, before it was killed
  for (std::uint64_t store = 1; died; ++store) {
    SCOPED_TRACE("store " + std::to_string(store));
    ASSERT_LT(store, 500U);
    ticket_ = heap_->send(handle_, fault_);
    died = killed_in_child([&] { work(store); });
    ASSERT_TRUE(heap_->check(fault_).empty());
    ASSERT_GE(holders_of(handle_), 1U);
    was_shared = was_shared || holders_of(other_) != 0;
    heap_->reap(HUGE_VAL, fault_);
    heap_->reap(0, fault_);
    ASSERT_EQ(fault_.kind, FaultKind::none) << sentence(fault_);
    ASSERT_EQ(holders_of(handle_), 1U);
    ASSERT_EQ(is_live(other_), !was_shared);
    if (was_shared) {
      ASSERT_TRUE(heap_->acquire(100, granule_size, other_, fault_));
    }
  }
  bool freed = false;
  EXPECT_TRUE(heap_->drop_ref(handle_, freed, fault_));
  EXPECT_TRUE(freed);
  EXPECT_EQ(std::bit_cast<shared::Superblock*>(bytes_.data())->used_holders, 0U);
}

// A child shares a block that its parent has not: whatever it has stored when it is killed, the block
// stays its parent's.
TEST(KilledHeir, LeavesTheBlockToItsParent) {
  SharedBytes bytes;
  const std::unique_ptr<SharedHeap> heap = open_in(bytes, Options());
  Fault fault;
  bool freed = false;
  bool died = true;
  for (std::uint64_t store = 1; died; ++store) {
    SCOPED_TRACE("store " + std::to_string(store));
    Handle handle;
    ASSERT_TRUE(heap->acquire(100, granule_size, handle, fault));
    died = killed_in_child([&] {
      Fault refused;
      stores_left = store;
      heap->share_inherited(handle, refused);
    });
    ASSERT_EQ(heap->reap(HUGE_VAL, fault), 0U);
    ASSERT_TRUE(heap->is_current(handle, fault)) << sentence(fault);
    ASSERT_LE(heap->owners(fault).front().holders, 1U);
    ASSERT_TRUE(heap->share_own(handle, fault));
    ASSERT_EQ(heap->owners(fault).front().holders, 1U) << "what was noted is taken";
    ASSERT_TRUE(heap->drop_ref(handle, freed, fault));
    ASSERT_TRUE(freed);
  }
  EXPECT_EQ(std::bit_cast<shared::Superblock*>(bytes.data())->used_holders, 0U);
}

// A parent that gives up a block which its child has shared: nothing is left of it when it is killed.
TEST(KilledParent, LeavesTheBlockToItsHeirs) {
  SharedBytes bytes;
  const std::unique_ptr<SharedHeap> heap = open_in(bytes, Options());
  Fault fault;
  bool died = true;
  for (std::uint64_t store = 1; died; ++store) {
    SCOPED_TRACE("store " + std::to_string(store));
    died = killed_in_child([&] {
      Fault refused;
      Handle own;
      heap->acquire(100, granule_size, own, refused);
      shared::Holders holders(*std::bit_cast<shared::Superblock*>(bytes.data()));
      static_cast<void>(holders.note(own.address, heap->number()));
      static_cast<void>(holders.add(own.address, heap->number() + 1U));  // its heir, which is dead
      stores_left = store;
      heap->release_own(own, refused);
    });
    ASSERT_TRUE(heap->check(fault).empty());
    ASSERT_EQ(heap->reap(HUGE_VAL, fault), 1U) << sentence(fault);
    ASSERT_EQ(heap->live_blocks(fault), 0U);
  }
}

}  // namespace
}  // namespace glassheap
