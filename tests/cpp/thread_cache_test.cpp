// Options::thread_cache: small blocks that stay with the thread that freed them. For the caller such
// a block is free: every promise about free blocks holds for it, whichever thread asks.

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>

#include "every_policy.hpp"
#include "glassheap/layout.h"
#include "limits.hpp"

namespace glassheap {
namespace {

void in_another_thread(const std::function<void()>& work) { std::jthread(work).join(); }

class ThreadCache : public EveryPolicy {
 protected:
  ThreadCache() : heap_(open()) {}

  static std::unique_ptr<Heap> open(Size size = Size{1} << 16) {
    Fault fault;
    std::unique_ptr<Heap> heap = Heap::open(options(size), fault);
    EXPECT_FALSE(fault) << sentence(fault);
    return heap;
  }
  Address malloc(Size size) { return heap_->malloc(size, granule_size, fault_ = {}); }
  FaultKind free(Address payload) {
    heap_->free(payload, fault_ = {});
    return fault_.kind;
  }
  [[nodiscard]] std::byte* at(Address address) const {
    return std::bit_cast<std::byte*>(heap_->address()) + (address - heap_->base());
  }
  // The serial in the header. (handle_of() would take the block out of the cache's hands.)
  [[nodiscard]] std::uint16_t serial(Address payload) const {
    header_t header;
    std::memcpy(&header, at(payload) - sizeof header, sizeof header);
    return header.serial;
  }
  // A block in the cache of this thread, behind which a live block stands.
  Address cached_block(Size size = 64) {
    const Address payload = malloc(size);
    EXPECT_NE(malloc(16), 0U);
    EXPECT_EQ(free(payload), FaultKind::none);
    return payload;
  }
  void expect_sound() {
    Fault fault;
    for (const Finding& finding : heap_->check(fault)) ADD_FAILURE() << finding.sentence;
    EXPECT_FALSE(fault) << sentence(fault);
  }

  std::unique_ptr<Heap> heap_;
  Fault fault_;
};
GLASSHEAP_FOR_VARIANTS(ThreadCache, cached_variants());

// --- The cache serves. -------------------------------------------------------------------------

// Worst fit would give the block from the largest free block: this one can only be the cached one.
TEST_P(ThreadCache, ServesARequestOfTheSameExtent) {
  const Address payload = cached_block(60);
  const Address other = malloc(200);
  EXPECT_NE(other, payload);
  EXPECT_EQ(malloc(64), payload);
  EXPECT_EQ(heap_->usable_size(payload, fault_), extent(64) - front());
  expect_sound();
}

TEST_P(ThreadCache, IsOfItsThreadAlone) {
  const Address payload = cached_block();
  in_another_thread([&] { EXPECT_NE(malloc(64), payload); });
  EXPECT_EQ(malloc(64), payload);
}

// The cache has room for 16 blocks of an extent; the others go to the core at once.
TEST_P(ThreadCache, IsBoundedByBlocks) {
  heap_ = open(Size{1} << 20);
  std::vector<Address> payloads(200);
  for (Address& payload : payloads) payload = malloc(16);
  for (const Address payload : payloads) EXPECT_EQ(free(payload), FaultKind::none);
  for (std::size_t i = 16; i-- > 0;) EXPECT_EQ(malloc(16), payloads[i]);
  expect_sound();
}

// And for a 32nd of the region. A block from the core has the next serial of the heap, one from the
// cache the next of its own.
TEST_P(ThreadCache, IsBoundedByBytes) {
  if (!has_headers(options())) return;
  heap_ = open(4096);
  for (const Size size : {Size{16}, Size{200}}) {
    const Address payload = malloc(size);
    const auto first = serial(payload);
    EXPECT_NE(malloc(0), 0U);
    EXPECT_NE(malloc(0), 0U);
    EXPECT_EQ(free(payload), FaultKind::none);
    EXPECT_EQ(serial(malloc(size)) == first + 1, size == 16);
  }
}

// --- A cached block is free. -------------------------------------------------------------------

TEST_P(ThreadCache, RefusesASecondFreeFromAnyThread) {
  const Address payload = cached_block();
  EXPECT_EQ(free(payload), FaultKind::double_free);
  EXPECT_EQ(fault_.address, payload);
  in_another_thread([&] { EXPECT_EQ(free(payload), FaultKind::double_free); });
  EXPECT_EQ(free(payload + 16), FaultKind::double_free);
  EXPECT_EQ(free(payload + 1), FaultKind::misaligned_pointer);
  Address batch[] = {malloc(16), payload};
  EXPECT_FALSE(heap_->free_many(batch, fault_ = {}));
  EXPECT_EQ(fault_.kind, FaultKind::double_free);
  EXPECT_EQ(fault_.index, 1U);
  EXPECT_EQ(heap_->realloc(payload, 100, granule_size, fault_ = {}), 0U);
  EXPECT_EQ(fault_.kind, FaultKind::double_free);
  EXPECT_FALSE(heap_->contains(payload, fault_ = {}));
  EXPECT_EQ(malloc(64), payload) << "A refused call has changed the cache.";
  expect_sound();
}

TEST_P(ThreadCache, RefusesPointersAsEver) {
  const Address payload = malloc(64);
  EXPECT_EQ(free(payload + 16), FaultKind::interior_pointer);
  EXPECT_EQ(free(payload + 8), FaultKind::misaligned_pointer);
  EXPECT_EQ(free(heap_->base() + (Size{1} << 20)), FaultKind::foreign_pointer);
  EXPECT_EQ(free(0), FaultKind::none);
  EXPECT_EQ(free(payload), FaultKind::none);
}

TEST_P(ThreadCache, IsSeenThroughByReports) {
  const Address payload = malloc(64);
  const Stats before = heap_->stats(fault_);
  const auto free_bytes = [&] { return heap_->available_memory(fault_); };
  const Size available = free_bytes();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(free(malloc(48)), FaultKind::none);
  EXPECT_EQ(heap_->live_blocks(fault_), 1U);
  // A free block that quick_fit keeps apart offers less, by the front of its own.
  const bool apart = options().policy == "quick_fit" && has_headers(options());
  EXPECT_EQ(free_bytes(), available - (apart ? granule_size : 0));
  EXPECT_EQ(free(payload), FaultKind::none);
  const Stats stats = heap_->stats(fault_);
  EXPECT_EQ(stats.live_blocks, 0U);
  EXPECT_EQ(stats.requested, 0U);
  EXPECT_EQ(stats.overhead, 0U);
  EXPECT_EQ(stats.mallocs, before.mallocs + 10);
  EXPECT_EQ(stats.frees, before.frees + 11);
  EXPECT_EQ(stats.failures, before.failures);
  for (const BlockInfo& block : heap_->walk(fault_)) EXPECT_FALSE(block.live);
  expect_sound();
}

// The sizes of a block change while the core does not look.
TEST_P(ThreadCache, CountsTheBytesOfBlocksThatItHandsOut) {
  const Address payload = malloc(49);
  EXPECT_EQ(free(payload), FaultKind::none);
  EXPECT_EQ(malloc(64), payload);
  EXPECT_EQ(heap_->stats(fault_).requested, reported_size(options(), 64));
  EXPECT_EQ(free(payload), FaultKind::none);
  EXPECT_EQ(malloc(50), payload);
  in_another_thread([&] { EXPECT_EQ(heap_->realloc(payload, 40, 16, fault_), payload); });
  EXPECT_EQ(heap_->stats(fault_).requested, reported_size(options(), 40));
  expect_sound();
}

TEST_P(ThreadCache, GivesItsBlocksBackBeforeMemoryIsShort) {
  heap_ = open(4096);
  std::vector<Address> payloads;
  while (const Address payload = malloc(16)) payloads.push_back(payload);
  std::ranges::sort(payloads);
  const std::uint64_t failures = heap_->stats(fault_).failures;
  in_another_thread([&] {
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(free(payloads[i]), FaultKind::none);
  });
  EXPECT_EQ(malloc(4 * extent(16) - front()), payloads[0]) << sentence(fault_);
  EXPECT_EQ(heap_->stats(fault_).failures, failures);
  EXPECT_EQ(malloc(4096), 0U);
  EXPECT_EQ(heap_->stats(fault_).failures, failures + 1);
}

// --- Handles and pins. -------------------------------------------------------------------------

// A handle is stale once its block is freed, and stays so when the address is handed out again, by
// the cache or by the core. Without headers an address that is handed out again is not told apart.
TEST_P(ThreadCache, MakesHandlesStale) {
  Handle handle;
  ASSERT_TRUE(heap_->acquire(64, granule_size, handle, fault_));
  EXPECT_EQ(free(handle.address), FaultKind::none);
  EXPECT_FALSE(heap_->is_current(handle, fault_ = {}));
  EXPECT_EQ(fault_.kind, FaultKind::stale_handle);
  if (!has_headers(options())) return;
  Handle again;
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(malloc(64), handle.address);
    ASSERT_TRUE(heap_->handle_of(handle.address, again, fault_ = {}));
    EXPECT_FALSE(heap_->release(handle, fault_ = {}));
    EXPECT_EQ(fault_.kind, FaultKind::stale_handle);
    EXPECT_TRUE(heap_->free(handle.address, fault_ = {}));
    ASSERT_TRUE(heap_->acquire(64, granule_size, handle, fault_ = {}));
    EXPECT_FALSE(heap_->is_current(again, fault_ = {}));
    EXPECT_EQ(free(handle.address), FaultKind::none);
  }
}

// The serials of the core come after those that the cache has given.
TEST_P(ThreadCache, LeavesNoSerialToTheCore) {
  if (!has_headers(options())) return;
  const Address payload = malloc(64);
  std::vector<Handle> stale(20);
  for (Handle& handle : stale) {
    EXPECT_EQ(free(payload), FaultKind::none);
    ASSERT_EQ(malloc(64), payload);
    handle = {payload, 64, 0, serial(payload)};
  }
  EXPECT_TRUE(heap_->is_current(stale.back(), fault_)) << "The block is still there.";
  EXPECT_EQ(free(payload), FaultKind::none);
  EXPECT_EQ(heap_->live_blocks(fault_), 0U);
  for (std::size_t i = 0; i < stale.size(); ++i) {
    ASSERT_EQ(malloc(64), payload);
    for (const Handle& handle : stale) EXPECT_FALSE(heap_->is_current(handle, fault_ = {}));
    EXPECT_EQ(free(payload), FaultKind::none);
    EXPECT_EQ(heap_->live_blocks(fault_), 0U);
  }
}

TEST_P(ThreadCache, KeepsNoPinnedBlock) {
  Address payload = malloc(64);
  Heap::Pinned pinned;
  ASSERT_TRUE(heap_->pin(payload, pinned, fault_));
  EXPECT_EQ(free(payload), FaultKind::pinned);
  payload = heap_->realloc_pinned(payload, 60, granule_size, fault_ = {});
  ASSERT_NE(payload, 0U) << sentence(fault_);
  EXPECT_EQ(free(payload), FaultKind::pinned);
  EXPECT_FALSE(heap_->close(fault_ = {}));
  heap_->unpin_at(payload);
  EXPECT_EQ(free(payload), FaultKind::none);
  EXPECT_EQ(free(payload), FaultKind::double_free);
  EXPECT_FALSE(heap_->pin(payload, pinned, fault_ = {}));
  expect_sound();
}

// --- Damage, reset and close. ------------------------------------------------------------------

std::vector<Variant> headed_variants() {
  std::vector<Variant> all = cached_variants();
  std::erase_if(all, [](const Variant& variant) { return !variant.options.headers || !checking; });
  return all;
}

class CachedHeaders : public ThreadCache {
 protected:
  void overwrite_header(Address payload) const { at(payload)[-1] ^= std::byte{0x40}; }
  // The heap is damaged, and still shows what it has, until it is reset.
  void expect_damaged(Address other) {
    EXPECT_EQ(malloc(64), 0U);
    EXPECT_EQ(fault_.kind, FaultKind::heap_damaged);
    EXPECT_EQ(free(other), FaultKind::heap_damaged);
    EXPECT_FALSE(heap_->walk(fault_ = {}).empty());
    EXPECT_FALSE(fault_) << sentence(fault_);
    EXPECT_TRUE(heap_->reset(fault_));
    EXPECT_EQ(heap_->live_blocks(fault_), 0U);
    EXPECT_EQ(free(malloc(64)), FaultKind::none);
    expect_sound();
  }
};
GLASSHEAP_FOR_VARIANTS(CachedHeaders, headed_variants());

TEST_P(CachedHeaders, AreCheckedWhenABlockIsFreed) {
  const Address payload = malloc(64);
  const Address other = malloc(64);
  overwrite_header(payload);
  EXPECT_EQ(free(payload), FaultKind::header_corrupted);
  EXPECT_EQ(fault_.address, payload);
  expect_damaged(other);
}

TEST_P(CachedHeaders, AreCheckedWhenABlockIsTaken) {
  const Address payload = cached_block();
  const Address other = malloc(200);
  overwrite_header(payload);
  EXPECT_EQ(malloc(64), 0U);
  EXPECT_EQ(fault_.kind, FaultKind::header_corrupted);
  expect_damaged(other);
}

TEST_P(CachedHeaders, AreCheckedByCheck) {
  const Address payload = cached_block();
  const Address other = malloc(200);
  overwrite_header(payload);
  const Findings findings = heap_->check(fault_);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].fault.kind, FaultKind::header_corrupted);
  expect_damaged(other);
}

// A header that was copied into user data, or an old one, makes no block.
TEST_P(CachedHeaders, AreNoAuthority) {
  const Address payload = malloc(64);
  const Address large = malloc(200);
  std::memcpy(at(large + 32), at(payload) - 16, 16);
  EXPECT_EQ(free(large + 48), FaultKind::interior_pointer);
  EXPECT_EQ(free(large), FaultKind::none);
  EXPECT_EQ(free(payload), FaultKind::none);
  expect_sound();
}

TEST_P(ThreadCache, IsForgottenAtAReset) {
  const Address payload = cached_block();
  const Address other = malloc(64);
  EXPECT_TRUE(heap_->reset(fault_ = {}));
  EXPECT_NE(free(payload), FaultKind::none);
  EXPECT_NE(free(other), FaultKind::none);
  EXPECT_EQ(heap_->live_blocks(fault_ = {}), 0U);
  EXPECT_EQ(free(malloc(64)), FaultKind::none);
  expect_sound();
}

TEST_P(ThreadCache, EndsWithItsHeap) {
  const Address payload = cached_block();
  const Address other = malloc(64);
  EXPECT_TRUE(heap_->close(fault_ = {}));
  EXPECT_TRUE(heap_->close(fault_));
  for (const Address address : {payload, other}) EXPECT_EQ(free(address), FaultKind::heap_closed);
  EXPECT_EQ(malloc(64), 0U);
  EXPECT_EQ(fault_.kind, FaultKind::heap_closed);
}

// A child has the caches of all its parent's threads.
TEST_P(ThreadCache, IsCopiedByAFork) {
  const Address payload = cached_block();
  in_another_thread([&] { cached_block(200); });
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    const bool mine = malloc(64) == payload && free(payload) == FaultKind::none;
    _exit(mine && heap_->live_blocks(fault_) == 2 && heap_->check(fault_).empty() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

// --- The option. -------------------------------------------------------------------------------

TEST(ThreadCacheOption, IsRefusedWhereFreedMemoryIsFilled) {
  for (const bool debug : {false, true}) {
    Options options = sized(4096);
    options.thread_cache = true;
    options.zero_on_free = !debug;
    options.checks = debug ? Checks::debug : Checks::robust;
    Fault fault;
    EXPECT_EQ(Heap::open(options, fault), nullptr);
    EXPECT_EQ(fault.kind, FaultKind::unwanted_option);
    EXPECT_NE(sentence(fault).find("thread_cache"), std::string::npos);
  }
}

}  // namespace
}  // namespace glassheap
