// flight.hpp: what is being changed, for whoever finds that its owner died in the middle.
//
// A process that is killed while it changes a heap which others share leaves some blocks half cut
// or half merged. All of them lie in one stretch of the region, and outside of it the block map is
// true at every point between two stores. So the stretch is noted before the first store, and
// struck out after the last: whoever comes next makes that stretch whole, and the rest of the map
// is believed.
//
//     | live | live | from ....................... | live |      malloc cuts from `from`
//                   start                          end           nobody had any of this
//
//     | live | left | middle | right ............. | live |      free joins three
//                   start                          end
//
//     | live | block ................ | right .... | live |      realloc moves the end of `block`
//                   start              keep        end           which lives on, `keep` bytes of it
//
// Merges that touch no block in flight are in an order that the map can be read in at any point.
#pragma once

#include <atomic>

#include "base/config.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

// What was in flight.
struct Intent {
  std::uint64_t start = 0;
  std::uint64_t end = 0;   // 0: nothing was
  std::uint64_t keep = 0;  // bytes at the start that stay a live block
  std::uint64_t size = 0;  // asked for in that block
  std::uint64_t top = 0;   // where the top began, or the region's end
};

// Two places for it: the one that holds is told by one number, so the other can be written at ease.
class IntentRecord {
 public:
  void begin(Block range, Offset top, Size keep = 0, Size size = 0) noexcept;
  void commit() noexcept { publish(0); }

  [[nodiscard]] Intent pending() const noexcept {
    return current_ == 1 || current_ == 2 ? intents_[current_ - 1] : Intent{};
  }

 private:
  // Nothing is moved across it: a process that dies has done all stores up to some point, and none
  // behind it.
  void publish(std::uint64_t next) noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    current_ = next;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    crash_point();
  }

  std::uint64_t current_ = 0;  // 0: none; or 1 or 2
  Intent intents_[2] = {};
};

}  // namespace glassheap
