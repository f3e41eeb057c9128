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
// Releasing runs. The blocks of a batch are visited in order of address. Those that touch form a
// run, which becomes one live block first, and is then freed like any other:
//
//     live | batch | batch | batch | free | live        three starts, two of them dropped
//     live | run ................. | free | live        one release
//
// All blocks are checked before the first one is joined. This has the effect of single calls only
// where the order in which blocks are freed leaves no trace: with the policies that keep their free
// blocks in order of address. Bins have the block that was freed last in front.
//
// Neither knows why a batch is refused. Where a short way cannot be taken, nothing has changed, and
// the long one (heap_core.hpp), which goes block by block, says why, and of which block.
#pragma once

#include <bit>
#include <new>
#include <optional>
#include <vector>

#include "base/radix_sort.hpp"
#include "check/checker.hpp"
#include "core/counters.hpp"
#include "core/recorder.hpp"
#include "policy/address_list.hpp"
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
  bool wipes;  // fills freed blocks
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
    const Block from = parts_.map.block_at(parts_.map.free_from(0));
    const Sums sums = add_up(sizes, from.extent);
    if (sums.taken == 0) return false;
    const Block taken{from.start, sums.taken};
    const Split split{from, {}, taken, {taken.end(), from.end() - taken.end()}};
    typename FreeSpace::Place place;
    if (!parts_.space.vet(from, place)) return false;
    parts_.space.apply(split, place);
    const Block last = cut_up(taken.start, sizes, payloads);
    parts_.space.on_allocate(last);
    parts_.counters.add(sums.requested, taken);
    parts_.counters.mallocs += sizes.size();
    return true;
  }

 private:
  struct Sums {
    Size requested = 0;
    Size taken = 0;
  };

  // The sums of the requests; zeros if they do not fit in `room` bytes.
  [[nodiscard]] Sums add_up(std::span<const Size> sizes, Size room) const noexcept {
    const Layout& layout = parts_.bytes.layout;
    Sums sums;
    for (const Size size : sizes) {
      if (size > largest_region) return {};
      const Size extent = layout.extent_for(size);
      sums.requested += layout.keeps_sizes() ? size : extent;
      sums.taken += extent;
      if (sums.taken > room) return {};
    }
    return sums;
  }

  // Makes the live block at `at` one for each size, and returns the last of them.
  Block cut_up(Offset at, std::span<const Size> sizes, std::span<Offset> payloads) noexcept {
    const Layout& layout = parts_.bytes.layout;
    Block block{at, 0};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      block = {block.end(), layout.extent_for(sizes[i])};
      if (i != 0) parts_.map.add_live(block);
      parts_.bytes.write_header(block.start, sizes[i], ++parts_.serial);
      payloads[i] = layout.payload_of(block.start);
    }
    return block;
  }

  BatchParts<FreeSpace> parts_;
};

// --- Releasing runs. -----------------------------------------------------------------------------

// True for a policy to which it makes no difference in which order blocks are freed.
template <typename P>
concept KeepsAddressOrder =
    requires(const P& policy) { []<typename Index>(const AddressList<P, Index>&) {}(policy); };

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
    std::vector<Offset> numbers(payloads.begin(), payloads.end());
    std::vector<Offset> scratch(payloads.size());
    const auto bits = static_cast<unsigned>(std::bit_width(parts_.bytes.size()));
    return release_sorted(RadixSort::sort(numbers, scratch, granule_bits, bits));
  } catch (const std::bad_alloc&) {
    return false;
  }

 private:
  static constexpr auto granule_bits = static_cast<unsigned>(std::countr_zero(granule_size));

  [[nodiscard]] bool may_be_payload(Offset at) const noexcept {
    return at <= parts_.bytes.size() && at % granule_size == 0;
  }

  [[nodiscard]] bool release_sorted(std::span<const Offset> payloads) noexcept {
    const std::optional<Sums> sums = add_up_sound(payloads);
    if (!sums) return false;
    for (std::size_t i = 0; i < payloads.size();) i = release_run(payloads, i);
    parts_.counters.requested -= sums->requested;
    parts_.counters.taken -= sums->taken;
    parts_.counters.frees += payloads.size();
    return true;
  }

  struct Sums {
    Size requested = 0;
    Size taken = 0;
  };

  // The sums of the blocks; none unless each is sound and occurs once, and each run may be freed.
  // Flattened, so that no LiveBlock is stored.
  [[nodiscard, gnu::flatten]] std::optional<Sums> add_up_sound(
      std::span<const Offset> payloads) const noexcept {
    Fault ignored;
    Sums sums;
    Block run;
    LiveBlock live;
    for (const Offset payload : payloads) {
      if (!parts_.checker.find_inline(payload, live, ignored)) return std::nullopt;
      const Block block = live.block;
      sums.requested += live.size;
      sums.taken += block.extent;
      if (run && block.start == run.end()) {
        run.extent += block.extent;
        continue;
      }
      const bool repeats = run && block.start < run.end();
      if (repeats || !may_free(run)) return std::nullopt;
      run = block;
    }
    if (!may_free(run)) return std::nullopt;
    return sums;
  }
  [[nodiscard, gnu::noinline]] bool may_free(Block run) const noexcept {
    Fault ignored;
    return !checking || !run || parts_.space.may_release(run, ignored);
  }

  // Frees the run that begins with payloads[first]. Returns the index of the next one.
  [[gnu::noinline]] std::size_t release_run(std::span<const Offset> payloads,
                                            std::size_t first) noexcept {
    Block run = block_of(payloads[first]);
    std::size_t next = first + 1;
    for (; next < payloads.size(); ++next) {
      if (parts_.bytes.layout.start_of(payloads[next]) != run.end()) break;
      const Block block = block_of(payloads[next]);
      parts_.space.join(block);
      run.extent += block.extent;
    }
    static_cast<void>(parts_.space.release(run, [](Block) {}));  // add_up_sound() has vetted it
    return next;
  }
  [[nodiscard]] Block block_of(Offset payload) const noexcept {
    return parts_.map.block_at(parts_.bytes.layout.start_of(payload));
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
  if constexpr (KeepsAddressOrder<P>)
    return !parts.recorder.is_shared() && !parts.wipes && RunRelease<P>(parts).release(payloads);
  return false;
}

}  // namespace glassheap
