// next_fit.hpp: first fit that continues where the last search ended.
//
// Problem. First fit searches the low addresses again and again, and leaves many small blocks
// there. Next fit spreads its splits over the region: a roving pointer, the rover, is at the end of
// the last allocation, and the search starts there. (It mostly fragments more than first fit, which
// is why it is worth seeing: Wilson, Johnstone, Neely and Boles 1995.)
//
// Structure. That of first fit, and the rover.
//
//     | live | free 48 | live | free 32 | live | free 4000 .... |
//                             ^ rover: tries 32, then 4000, and last, once around, 48
//
// Invariant. The rover is the end of the last allocation that found a block, or 0. It may be inside
// a free block, once the blocks around it have been freed; the search starts at that block.
// Cost. malloc and free O(log n).
#pragma once

#include "policy/chunk_index.hpp"

namespace glassheap {

class NextFit : public AddressFit<NextFit> {
 public:
  static constexpr PolicyDescription description{
      .name = "next_fit",
      .summary = "first fit from where the last search ended, around once",
      .cost = "malloc and free O(log n)",
      .source = "D. E. Knuth, The Art of Computer Programming, volume 1, section 2.5, exercise 6"};
  struct Mark {
    Offset rover;
  };

  using AddressFit::AddressFit;

  void clear() noexcept {
    AddressFit::clear();
    rover_ = 0;
  }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    AddressFit::visit_state(visit);
    visit(rover_);
  }
  void on_allocate(Block block) noexcept { rover_ = block.end(); }
  [[nodiscard]] Mark mark(Block /*from*/) const noexcept { return {rover_}; }
  void restore(Block from, const Mark& before) noexcept {
    AddressFit::restore(from, {});
    rover_ = before.rover;
  }

  [[nodiscard]] Block find_free(const Request& request) const noexcept {
    const Block ahead = lowest(search_start(), request);
    return ahead ? ahead : lowest(0, request);
  }

 private:
  // The start of the search: the free block that contains the rover, or else the rover itself.
  [[nodiscard]] Offset search_start() const noexcept {
    if (rover_ >= map_.region_size()) return 0;
    if (map_.live_at(rover_) || map_.free_at(rover_)) [[likely]]
      return rover_;
    const Offset block = map_.block_around(rover_).start;
    return map_.free_at(block) ? block : rover_;
  }

  Offset rover_ = 0;
};

static_assert(Policy<NextFit>);

}  // namespace glassheap
