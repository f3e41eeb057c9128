// batches.hpp: the short ways of allocate_many and release_many, which take blocks together where
// that has the same effect as one by one.
//
// Carving. While a single free block is left, every request takes the low end of it, whatever the
// policy. If all requests of a batch fit in it, which their sum tells before anything is written,
// they are cut off it in one go: the policy is told once.
//
//     | from ................................................ |
//     | payloads[0] | payloads[1] | ... | payloads[n - 1] | rest |
//
// Releasing runs. The blocks of a batch are freed from the highest address down. Those that touch
// form a run, which becomes one live block first, and is then freed like any other:
//
//     live | batch | batch | batch | free | live        three starts, two of them dropped
//     live | run ................. | free | live        one release
//
// All blocks are checked before the first one is joined. Freed singly in this order, each block of a
// run merges at once with the one above it, so that the run is one free block at each step. At the
// last step that one goes to the front of its bin, or to its place by address, as the whole run does
// when it is freed as one. No other block of a list moves. That needs blocks that merge at once with
// their neighbours: not buddies, nor a list that is coalesced in passes.
//
// Neither knows why a batch is refused. Where a short way cannot be taken, nothing has changed, and
// the long one (heap_core.hpp), which goes block by block, says why, and of which block.
#pragma once

#include <bit>
#include <functional>
#include <new>
#include <optional>
#include <vector>

#include "base/radix_sort.hpp"
#include "check/checker.hpp"
#include "core/counters.hpp"
#include "core/recorder.hpp"
#include "space/neighbours.hpp"

namespace glassheap {

// The parts of a core that batches change.
template <typename FreeSpace>
struct BatchParts {
  BlockBytes& bytes;
  BlockMap& map;
  Checker checker;
  FreeSpace& space;
  Counters& counters;
  std::uint16_t& serial;
  const Recorder& recorder;
  bool wipes = false;  // fills freed blocks
};

// --- Carving. ------------------------------------------------------------------------------------

template <typename FreeSpace>
class Carving {
 public:
  explicit Carving(const BatchParts<FreeSpace>& parts) noexcept : parts_(parts) {}

  // True while a single free block is left.
  [[nodiscard]] bool may_begin() const noexcept { return parts_.map.free_blocks() == 1; }

  // Cuts a block for each size off the only free block, and sets `payloads`. Returns false, and
  // changes nothing, if they do not all fit, or its node is unsound.
  [[nodiscard]] bool carve(std::span<const Size> sizes, std::span<Offset> payloads) noexcept {
    return parts_.bytes.layout.has_headers() ? carve_as<Shape::headers>(sizes, payloads)
                                             : carve_as<Shape::bare>(sizes, payloads);
  }

 private:
  struct Sums {
    Size requested = 0;
    Size taken = 0;
  };

  template <Shape shape>
  [[nodiscard]] bool carve_as(std::span<const Size> sizes, std::span<Offset> payloads) noexcept {
    const Block from = parts_.map.block_at(parts_.map.free_from(0));
    const Sums sums = add_up<shape>(sizes, from.extent);
    if (sums.taken == 0) return false;
    const Block taken{from.start, sums.taken};
    const Split split{from, {}, taken, {taken.end(), from.end() - taken.end()}};
    typename FreeSpace::Place place{};
    if (!parts_.space.vet(from, place)) return false;
    parts_.space.apply(split, place);
    const Block last = cut_up<shape>(taken.start, sizes, payloads);
    parts_.space.on_allocate(last);
    parts_.counters.add(sums.requested, taken);
    parts_.counters.mallocs += sizes.size();
    return true;
  }

  // The layout of a heap of this shape; none that is carved has another.
  template <Shape shape>
  static constexpr Layout layout_of{.front = front_of(shape, {})};

  // The sums of the requests; zeros if they do not fit in `room` bytes.
  template <Shape shape>
  [[nodiscard]] static Sums add_up(std::span<const Size> sizes, Size room) noexcept {
    Sums sums;
    for (const Size size : sizes) {
      if (size > largest_region) return {};
      const Size extent = layout_of<shape>.extent_for(size);
      sums.requested += shape == Shape::headers ? size : extent;
      sums.taken += extent;
      if (sums.taken > room) return {};
    }
    return sums;
  }

  // Makes the live block at `at` one for each size, and returns the last of them.
  template <Shape shape>
  Block cut_up(Offset at, std::span<const Size> sizes, std::span<Offset> payloads) noexcept {
    Block block{at, 0};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      block = {block.end(), layout_of<shape>.extent_for(sizes[i])};
      if (i != 0) parts_.map.add_live(block);
      parts_.bytes.template write_header_as<shape>(block.start, sizes[i], ++parts_.serial);
      payloads[i] = layout_of<shape>.payload_of(block.start);
    }
    return block;
  }

  BatchParts<FreeSpace> parts_;
};

// --- Releasing runs. -----------------------------------------------------------------------------

inline constexpr auto granule_bits = static_cast<unsigned>(std::countr_zero(granule_size));

// Sorts offsets of granules in a region of `size` bytes, the highest first. Without memory for a
// copy that takes longer.
inline void put_highest_first(std::span<Offset> payloads, Size size) noexcept try {
  if (std::ranges::is_sorted(payloads, std::greater())) return;
  const RadixSort sorted(payloads, granule_bits, static_cast<unsigned>(std::bit_width(size)));
  std::ranges::reverse_copy(sorted.numbers(), payloads.begin());
} catch (const std::bad_alloc&) {
  std::ranges::sort(payloads, std::greater());
}

template <typename P>
class RunRelease {
 public:
  explicit RunRelease(const BatchParts<NeighbourSpace<P>>& parts) noexcept : parts_(parts) {}

  // Frees all of these blocks. Returns false, and changes nothing, if one of them may not be freed,
  // or occurs twice, or there is no memory to sort them.
  [[nodiscard]] bool release(std::span<const Offset> payloads) noexcept try {
    if (std::ranges::is_sorted(payloads)) return release_sorted(payloads);
    if (!std::ranges::all_of(payloads, [this](Offset at) { return may_be_payload(at); }))
      return false;
    const auto bits = static_cast<unsigned>(std::bit_width(parts_.bytes.size()));
    const RadixSort sorted(payloads, granule_bits, bits);
    return release_sorted(sorted.numbers());
  } catch (const std::bad_alloc&) {
    return false;
  }

 private:
  [[nodiscard]] bool may_be_payload(Offset at) const noexcept {
    return at <= parts_.bytes.size() && at % granule_size == 0;
  }

  // Throws std::bad_alloc, and changes nothing.
  [[nodiscard]] bool release_sorted(std::span<const Offset> payloads) {
    return parts_.bytes.layout.has_headers() ? release_as<Shape::headers>(payloads)
                                             : release_as<Shape::bare>(payloads);
  }

  // Blocks of the batch that touch each other. `first` is the index of the lowest.
  struct Run {
    Block block;
    std::size_t first = 0;
  };
  struct Sums {
    Size requested = 0;
    Size taken = 0;
  };
  static constexpr std::size_t ahead = 16;  // blocks

  template <Shape shape>
  [[nodiscard]] bool release_as(std::span<const Offset> payloads) {
    std::vector<Run> runs;
    const std::optional<Sums> sums = add_up_sound<shape>(payloads, runs);
    if (!sums || !std::ranges::all_of(runs, [this](const Run& run) { return may_free(run.block); }))
      return false;
    for (std::size_t end = payloads.size(); !runs.empty(); runs.pop_back()) {
      const Run& run = runs.back();
      join<shape>(run.block, payloads.subspan(run.first, end - run.first));
      end = run.first;
      static_cast<void>(parts_.space.release(run.block, [](Block) {}));  // it may be freed
    }
    parts_.counters.requested -= sums->requested;
    parts_.counters.taken -= sums->taken;
    parts_.counters.frees += payloads.size();
    return true;
  }

  // The sums of the blocks, and their runs; none unless each block is sound and occurs once.
  // Flattened, so that no LiveBlock is stored.
  template <Shape shape>
  [[nodiscard, gnu::flatten]] std::optional<Sums> add_up_sound(std::span<const Offset> payloads,
                                                               std::vector<Run>& runs) const {
    Sums sums;
    Run run;
    Offset end = 0;  // of the run
    LiveBlock live;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      if (i + ahead < payloads.size()) parts_.bytes.prefetch(payloads[i + ahead]);
      if (!parts_.checker.template find_as<shape>(payloads[i], live)) return std::nullopt;
      sums.requested += live.size;
      sums.taken += live.block.extent;
      if (live.block.start != end || i == 0) {
        if (live.block.start < end) return std::nullopt;  // it occurs twice
        if (i != 0) note(runs, run, end);
        run = {live.block, i};
      }
      end = live.block.end();
    }
    if (!payloads.empty()) note(runs, run, end);
    return sums;
  }
  [[gnu::noinline]] static void note(std::vector<Run>& runs, Run run, Offset end) {
    run.block.extent = end - run.block.start;
    runs.push_back(run);
  }
  [[nodiscard]] bool may_free(Block run) const noexcept {
    UnsetFault ignored;
    return !checking || parts_.space.may_release(run, ignored.fault);
  }

  // Makes a run, of the blocks with these payloads, one live block.
  template <Shape shape>
  void join(Block run, std::span<const Offset> payloads) noexcept {
    Offset end = run.end();
    for (std::size_t i = payloads.size(); --i != 0;) {
      const Offset start = payloads[i] - front_of(shape, parts_.bytes.layout);
      parts_.space.erase_front({start, end - start});
      end = start;
    }
    parts_.space.join(run, payloads.size());
  }

  BatchParts<NeighbourSpace<P>> parts_;
};

// --- The short ways, where a heap has them: they change nothing if they return false. ------------

template <Policy P, typename FreeSpace>
[[nodiscard]] bool carve(const BatchParts<FreeSpace>& parts, std::span<const Size> sizes,
                         std::span<Offset> payloads) noexcept {
  if constexpr (P::coalescing != Coalescing::neighbours && !FreeSpace::defers) return false;
  if (parts.recorder.is_shared() || parts.bytes.layout.has_redzones()) return false;
  Carving<FreeSpace> carving(parts);
  return carving.may_begin() && carving.carve(sizes, payloads);
}

template <Policy P, typename FreeSpace>
[[nodiscard]] bool release_runs(const BatchParts<FreeSpace>& parts,
                                std::span<const Offset> payloads) noexcept {
  if constexpr (P::coalescing == Coalescing::neighbours)
    return !parts.recorder.is_shared() && !parts.wipes && RunRelease<P>(parts).release(payloads);
  return false;
}

}  // namespace glassheap
