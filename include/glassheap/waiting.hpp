// waiting.hpp: what a program does while one of its threads waits inside a heap.
//
// A thread waits for another thread, or for another process, in naps of at most 10 ms. It holds no
// lock of a heap during a nap. A program may have a hook called around each nap: Python's lets other
// threads run, and then handles signals.
#pragma once

namespace glassheap {

struct NapHook {
  // Called before a nap, by the thread that naps. `after` gets what it returns.
  void* (*before)();
  // Called after the nap. Returns false if the wait is to end, which it may only if `may_end`: the
  // call that waits is then refused (interrupted).
  bool (*after)(void* from_before, bool may_end);
};

// Sets the hook of all heaps of the process; null is none, as at first. The hook is not copied.
void set_nap_hook(const NapHook* hook) noexcept;

}  // namespace glassheap
