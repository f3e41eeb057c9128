// intent_record.hpp: the range that a call is changing, for the recovery after its process dies.
//
// A process that is killed while it changes a shared heap leaves some blocks half split or half
// merged. All of them lie in one range of the region, and outside of it the block map is correct
// between any two stores. So the range is recorded before the first store and cleared after the
// last: the next process repairs that range, and trusts the rest of the map.
//
//     | live | live | from ....................... | live |      malloc splits `from`:
//                   start                          end           all of it was free
//
//     | live | left | middle | right ............. | live |      free merges three
//                   start                          end
//
//     | live | block ................ | right .... | live |      realloc moves the end of `block`,
//                   start              keep        end           whose first `keep` bytes stay live
//
// Merges outside the recorded range order their stores so that the map is readable between any two.
#pragma once

#include <atomic>

#include "base/config.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

// The recorded range.
struct Intent {
  std::uint64_t start = 0;
  std::uint64_t end = 0;        // 0: no range is recorded
  std::uint64_t keep = 0;       // bytes at the start that stay a live block
  std::uint64_t size = 0;       // requested for that block
  std::uint64_t top = unknown;  // the start of the top, or the region's end

  static constexpr std::uint64_t unknown = ~std::uint64_t{0};
};

// Two slots: one number tells which of them is valid, so the other can be written in any order.
class IntentRecord {
 public:
  void begin(Block range, Offset top, Size keep = 0, Size size = 0) noexcept {
    const std::uint64_t next = current_ == 1 ? 2 : 1;
    intents_[next - 1] = {range.start, range.end(), keep, size, top};
    crash_point();
    publish(next);
  }
  void commit() noexcept { publish(0); }

  [[nodiscard]] Intent pending() const noexcept {
    const std::uint64_t current = current_;  // read once: another program may write there
    return current == 1 || current == 2 ? intents_[current - 1] : Intent{};
  }

 private:
  // The compiler moves no store across it: a process that dies has done every store up to some
  // point, and none after it.
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
