// front_line.hpp: FrontLine, what malloc and free read of a heap before they are inside its core.
//
// Heap::malloc and Heap::free are a call through a pointer in the front line. It leads to one of
// four pairs of functions:
//
//     plain     PlainCalls<Core, shape> (plain_calls.hpp): lock, inside the core, unlock. Knows the
//               policy, and computes one answer, "done". A call that is not done goes to the careful
//               pair. Of a shared heap, it also locks out the other processes.
//     cached    ThreadCaches (heap/thread_caches.hpp), in a heap with thread_cache: takes and keeps
//               small blocks without the lock. A call that it does not serve goes to the careful pair.
//     careful   HeapState: looks at everything again, does the call or refuses it, writes the Fault.
//     offset    In an offset heap (heap/offset_calls.hpp): translates between the caller's bytes and
//               those of the core, and calls the plain or the cached pair.
//
// So the plain pair tests no flag of the heap: `inside` is null where the core may not be entered,
// and a heap whose calls have more to do than the core's work (zero_on_free, debug checks, a
// recording) has the careful pair in both places. A heap is on the plain way when it is opened or reset, off it when it
// is closed or found damaged. A damaged shared heap stays on it, since another process may reset the
// heap: each plain call reads from the segment if the heap is damaged.
//
// A heap that keeps tags puts a call of its own in front of malloc, which notes each block.
#pragma once

#include <atomic>
#include <memory>

#include "base/lock.hpp"
#include "core/core_interface.hpp"
#include "core/sharing_hooks.hpp"

namespace glassheap {

struct FrontLine;

// A malloc, of the heap's default alignment, and a free. They return 0 and false if refused, as Heap's do.
struct FrontCalls {
  Address (*malloc)(FrontLine& front, Size size, Fault& fault) noexcept;
  bool (*free)(FrontLine& front, Address payload, Fault& fault) noexcept;
};

//      0          16       24       32       40            48          56        64
//      | lock     | inside | origin | pinned | malloc_call | free_call | align   |    one cache line
//      | owner, . |   |    |        |        |             |           |         |
//                     +--> HeapCore<P>, or null
struct alignas(64) FrontLine {
  using MallocCall = decltype(FrontCalls::malloc);
  using FreeCall = decltype(FrontCalls::free);

  // `fast` is the plain or the cached pair; null if the heap has neither.
  FrontLine(bool multithreaded, const FrontCalls* fast, const FrontCalls& careful_calls,
            Size alignment)
      : lock(multithreaded),
        malloc_call((fast == nullptr ? careful_calls : *fast).malloc),
        free_call((fast == nullptr ? careful_calls : *fast).free),
        default_align(alignment),
        careful(&careful_calls),
        plain_malloc(malloc_call.load(std::memory_order_relaxed)) {}

  [[nodiscard]] bool has_plain_calls() const noexcept { return plain_malloc != careful->malloc; }

  Lock lock;
  CoreInterface* inside = nullptr;  // null: closed, damaged and not shared, or without plain calls
  Address origin = 0;               // of the core's offset 0, as the caller counts
  Size pinned = 0;                  // a count of blocks
  std::atomic<MallocCall> malloc_call;
  const FreeCall free_call;
  const Size default_align;  // of a block for which the caller asks for none

  // In the next cache line.
  const FrontCalls* const careful;
  const MallocCall plain_malloc;        // malloc_call, but where that notes the block
  std::unique_ptr<SharingHooks> hooks;  // null in a heap of one process
};

}  // namespace glassheap
