// thread_caches.hpp: small blocks that stay with the thread that freed them.
//
// Each thread has a slot of the heap, with a stack of blocks for each extent up to 1 KiB. free()
// pushes a block there, and malloc() of the same extent pops it, without the heap's lock: a slot has
// a lock of its own, which other threads take only to empty it.
//
//     free(p)  -->  | slot of the thread |  -->  malloc of the same extent
//                             |
//                  full, or a call about all blocks: to the core, under the heap's lock
//
// For the core a cached block is live; for the caller it is free, as one in quarantine. A byte for
// each granule, outside of the region, tells what starts there:
//
//               enlist()                 free()
//       none  ----------->    live     ---------->    cached
//       0     <-----------    1 .. 64  <----------    129 .. 192
//               withdraw()               malloc()
//
// A live block has as many granules as its byte says. `none` is also the byte of a block that only
// the heap's lock protects: a large block, a pinned one, one that a call under that lock has taken
// up. A byte leaves `live` by a compare-and-exchange, so of two threads that free a block at the
// same time only one can. The core releases no block whose byte is not `none`.
//
// Lock order: the heap's lock, then the slots'. A thread with a slot's lock waits for nothing; one
// that finds it locked makes its call under the heap's lock instead.
// Cost: O(1) without a loop; a byte for each granule, and 5 KiB for each of 16 slots.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "base/lock.hpp"
#include "base/zeroed_array.hpp"
#include "core/core_interface.hpp"

namespace glassheap {

class ThreadCaches {
 public:
  static constexpr Size largest = 1024;  // extent of a block that may be cached

  // Throws std::bad_alloc.
  ThreadCaches(CoreInterface& core, bool multithreaded);

  // The calls for blocks that are too large.
  [[nodiscard]] const FrontCalls& uncached() const noexcept { return uncached_; }

  // --- Without the heap's lock. -----------------------------------------------------------------

  // Takes a block out of the thread's slot for a malloc of that size. Returns its payload, or
  // `nowhere`: then the heap itself must serve the request.
  [[nodiscard]] Offset take(Size size) noexcept;
  // Puts the block with this payload into the thread's slot. Returns false if it stays as it is: the
  // heap itself must then free it, or refuse to.
  [[nodiscard]] bool keep(Offset payload) noexcept;

  // --- With the heap's lock. --------------------------------------------------------------------

  // The block that the core has just allocated may be cached when it is freed.
  void enlist(Block block) noexcept;
  // Makes the live block with this payload, if it is one, the core's alone. Returns false if it is
  // cached.
  [[nodiscard]] bool withdraw(Offset payload) noexcept;
  [[nodiscard]] bool is_cached(Offset payload) const noexcept;

  // Locks every slot. Returns false if this thread has one locked, in a call that a signal handler
  // has interrupted.
  [[nodiscard]] bool lock_slots() noexcept;
  void unlock_slots() noexcept;
  // With the slots locked: the core gets all cached blocks, and what it has not counted yet. Returns
  // the first fault that it finds; `refused` is the payload of that block.
  [[nodiscard]] Fault drain(Offset& refused) noexcept;
  // With the slots locked, and nothing cached: withdraws every block.
  void withdraw_all() noexcept { clear(states_, places_); }

  // Nothing is cached, or taken out, while they are shut.
  void open() noexcept { open_.store(true, std::memory_order_relaxed); }
  void shut() noexcept { open_.store(false, std::memory_order_relaxed); }
  // True if the header of a cached block was overwritten. drain() has the fault.
  [[nodiscard]] bool is_suspect() const noexcept {
    return suspect_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] Size own_memory() const noexcept;

  std::uint64_t failures = 0;  // of the core, for requests that were served after a drain

 private:
  using State = std::uint8_t;
  static constexpr State none = 0;
  static constexpr State cached = 128;  // added to the number of granules
  static constexpr std::size_t kinds = largest / granule_size;
  static constexpr std::size_t depth = 16;  // blocks of an extent
  static constexpr std::size_t most_slots = 16;
  using Thread = std::uintptr_t;

  // What a slot's calls have changed. The holder of the slot's lock alone writes these, and before
  // the byte of the block. So a thread that has withdrawn the block reads sums that include it.
  struct Sums {
    std::atomic<std::uint64_t> pairs = 0;  // frees of a block, and mallocs that took it
    std::atomic<Size> requested = 0;       // by how much these mallocs asked for more; wraps
  };
  struct alignas(64) Slot {
    explicit Slot(bool multithreaded) : lock(multithreaded, LockRank::inner) {}

    Lock lock;
    std::atomic<Thread> thread = 0;  // 0: of no thread yet
    Size bytes = 0;                  // extents of the blocks in it
    Sums sums;
    std::uint64_t counted_pairs = 0;  // of `sums`, what the core knows
    Size counted_requested = 0;
    std::array<std::uint8_t, kinds> counts{};
    std::array<std::array<std::uint32_t, depth>, kinds>
        stacks{};  // links to starts, the newest last
  };

  [[nodiscard]] std::atomic_ref<State> state(Offset start) const noexcept {
    return std::atomic_ref(states_[start / granule_size]);
  }
  // The state at the start of the block with this payload; `none` if no block can start there.
  [[nodiscard]] State state_at(Offset payload) const noexcept;
  // The slot of the calling thread. Threads share slots if there are more than slots.
  [[nodiscard]] Slot& mine() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return open_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_sound(Block block) const noexcept;
  [[nodiscard]] Offset pop(Slot& slot, Size extent, Size size) noexcept;
  [[nodiscard]] bool push(Slot& slot, Block block) noexcept;
  void reissue(Slot& slot, Offset start, Size size) noexcept;
  void count(Slot& slot) noexcept;
  void drain(Slot& slot, Fault& first, Offset& refused) noexcept;

  CoreInterface& core_;
  const FrontCalls& uncached_;
  BlockBytes& bytes_;
  Checker checker_;
  const Layout layout_;
  const Size region_;
  const std::size_t places_;
  const Size limit_;  // bytes of the blocks in a slot
  std::atomic<bool> open_ = true;
  std::atomic<bool> suspect_ = false;
  ZeroedArray<State> states_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace glassheap
