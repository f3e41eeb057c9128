// bins.hpp: many lists of free blocks, one for each class of sizes, and a bit for each that is not
// empty.
//
//     bin        0  1  2  3  4  5  6 ...
//     nonempty   0  0  1  0  0  1  1 ...         bit i: bin i has a block
//     list       -  -  |  -  -  |  | ...
//                      32       80 96            stored in the free blocks (links.hpp)
//                      32          96
//
// The smallest bin from some size upwards that has a block is found by a search of the bits. A new
// block goes to the front of its bin: the block that was freed last is still in the cache.
//
// BinnedPolicy is the common part of the policies with bins. Each defines bin_of(extent), the bin
// of a free block, which never falls as the extent grows; and `top`, whether the top is in a bin.
#pragma once

#include <utility>

#include "block/links.hpp"
#include "policy/policy.hpp"

namespace glassheap {

// The size class of an extent: one for each number of granules below 2^exact, then 16 a doubling.
//
//     granules   1  2  3 ... 63 | 64..67  68..71 ... 124..127 | 128..135 ...      for exact = 6
//     class      1  2  3 ... 63 | 64      65     ... 79       | 80
[[nodiscard]] constexpr std::size_t size_class(Size extent, int exact) noexcept {
  const Size granules = extent / granule_size;
  if (granules >> exact == 0) return granules;
  const int doubling = static_cast<int>(std::bit_width(granules)) - 1;
  const auto below = (std::size_t{1} << exact) + static_cast<std::size_t>(doubling - exact) * 16;
  return below + (granules >> (doubling - 4) & 15);
}

// The set of bins, below 64 * words, that have a block. They are few enough for one summary of all
// words, which is updated without a branch.
template <std::size_t words>
class BinSet {
 public:
  static constexpr std::size_t none = Bitmap::none;

  void set(std::size_t bin) noexcept {
    // A bin is below 64 * words, whatever the extent. NOLINTNEXTLINE(clang-analyzer-*)
    words_[word_of(bin)] |= std::uint64_t{1} << (bin % 64);
    summary_ |= 1U << word_of(bin);
  }
  void clear(std::size_t bin) noexcept {
    const std::uint64_t left = words_[word_of(bin)] &= ~(std::uint64_t{1} << (bin % 64));
    summary_ &= ~((left == 0 ? 1U : 0U) << word_of(bin));
  }
  // The lowest member from `bin` upwards, which is below 64 * words; or none.
  [[nodiscard, gnu::always_inline]] std::size_t next(std::size_t bin) const noexcept {
    const std::uint64_t here = words_[word_of(bin)] >> (bin % 64);
    if (here != 0) return bin + static_cast<std::size_t>(std::countr_zero(here));
    const std::uint32_t above = summary_ & ~1U << word_of(bin);
    if (above == 0) return none;
    const auto word = static_cast<std::size_t>(std::countr_zero(above));
    return word * 64 + static_cast<std::size_t>(std::countr_zero(words_[word]));
  }
  // Returns true if each member is below `count`, and the summary agrees. Drops other members.
  [[nodiscard]] bool confine(std::size_t count) noexcept {
    std::uint64_t dropped = 0;
    std::uint32_t summary = 0;
    for (std::size_t i = 0; i < words; ++i) {
      const std::size_t bins = std::min<std::size_t>(count - std::min(count, 64 * i), 64);
      const std::uint64_t possible = bins == 0 ? 0 : ~std::uint64_t{0} >> (64 - bins);
      dropped |= words_[i] & ~possible;
      words_[i] &= possible;
      summary |= (words_[i] != 0 ? 1U : 0U) << i;
    }
    return std::exchange(summary_, summary) == summary && dropped == 0;
  }
  // The highest member, or none.
  [[nodiscard]] std::size_t last() const noexcept {
    if (summary_ == 0) return none;
    const auto word = static_cast<std::size_t>(std::bit_width(summary_)) - 1;
    return word * 64 + static_cast<std::size_t>(std::bit_width(words_[word])) - 1;
  }

 private:
  // Not a division where there is one word.
  [[nodiscard]] static constexpr std::size_t word_of(std::size_t bin) noexcept {
    return words == 1 ? 0 : bin / 64;
  }

  std::uint64_t words_[words] = {};
  std::uint32_t summary_ = 0;
};

using BinMap = BinSet<9>;  // 63 exact bins and 16 for each of 27 doublings

template <Top top, typename Map = BinMap>
class Bins {
 public:
  static constexpr std::size_t none = Map::none;

  // `count` empty bins. Throws std::bad_alloc if and only if there is no memory for them.
  // `same` returns true if two free blocks are in the same bin.
  Bins(BlockBytes& bytes, const BlockMap& map, std::size_t count, SameList same)
      : links_(bytes, map, same), count_(count), ends_(map.arena().take<ListEnds>(count)) {
    if (!map.arena().is_borrowed()) clear();
  }

  void clear() noexcept {
    std::fill_n(ends_.get(), count_, ListEnds{});
    nonempty_ = {};
  }

  [[nodiscard, gnu::always_inline]] std::size_t next(std::size_t bin) const noexcept {
    return nonempty_.next(bin);
  }
  [[nodiscard]] std::size_t last() const noexcept { return nonempty_.last(); }
  [[nodiscard]] Offset first(std::size_t bin) const noexcept { return ends_[bin].first(); }
  [[nodiscard]] Block front(std::size_t bin) const noexcept {
    return links_.block_at(ends_[bin].first());
  }
  [[nodiscard]] Block after(Block block) const noexcept {
    return links_.block_at(links_.next(block.start));
  }

  [[nodiscard]] bool vet(std::size_t bin, Block block, Fault& fault) const noexcept {
    return links_.vet(ends_[bin], block, fault);
  }
  [[nodiscard]] bool vet_list_neighbours(std::size_t bin, Block block,
                                         Fault& fault) const noexcept {
    return links_.vet_list_neighbours(ends_[bin], block, fault);
  }
  [[nodiscard]] bool vet_push(std::size_t bin, Fault& fault) const noexcept {
    return links_.vet_linked(ends_[bin], ends_[bin].head, fault);
  }

  void push(std::size_t bin, Block block) noexcept {
    nonempty_.set(bin);
    links_.push_front(ends_[bin], block);
  }
  void erase(std::size_t bin, Block block) noexcept {
    links_.erase(ends_[bin], block);
    if (ends_[bin].empty()) nonempty_.clear(bin);
  }
  // Puts an erased block back between its neighbours, to which its node still links.
  void relink(std::size_t bin, Block block) noexcept {
    nonempty_.set(bin);
    links_.relink(ends_[bin], block);
  }

  template <typename Visit>
  void walk(Visit visit) const {
    for (std::size_t bin = next(0); bin != none; bin = next(bin + 1)) walk(bin, visit);
  }
  template <typename Visit>
  // Most callers need only the visits. NOLINTNEXTLINE(modernize-use-nodiscard)
  bool walk(std::size_t bin, Visit visit) const {
    return links_.walk(ends_[bin], visit);
  }

  [[nodiscard]] Size own_memory() const noexcept { return count_ * sizeof(ListEnds); }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(nonempty_);
  }
  [[nodiscard]] bool confine_state() noexcept { return nonempty_.confine(count_); }

 private:
  Links<top> links_;
  std::size_t count_;
  ZeroedArray<ListEnds> ends_;
  Map nonempty_;
};

template <typename Self, Top top, typename Map = BinMap>
class BinnedPolicy : public PolicyBase<Self> {
 public:
  BinnedPolicy(BlockBytes& bytes, const BlockMap& map)
      : PolicyBase<Self>(bytes, map),
        bins_(bytes, map, Self::bin_of(map.region_size()) + 1, same_bin) {}

  void clear() noexcept { bins_.clear(); }
  void insert(Block block) noexcept { bins_.push(Self::bin_of(block.extent), block); }
  void erase(Block block) noexcept { bins_.erase(Self::bin_of(block.extent), block); }
  void restore(Block from, const typename PolicyBase<Self>::Mark& /*before*/) noexcept {
    bins_.relink(Self::bin_of(from.extent), from);
  }

  [[nodiscard]] bool vet(Block block, Fault& fault) const noexcept {
    return bins_.vet(Self::bin_of(block.extent), block, fault);
  }
  [[nodiscard]] bool vet_insert(Block block, Fault& fault) const noexcept {
    return bins_.vet_push(Self::bin_of(block.extent), fault);
  }
  [[nodiscard]] bool vet_any_insert(Fault& fault) const noexcept {
    std::size_t bin = bins_.next(0);
    while (bin != none && bins_.vet_push(bin, fault)) bin = bins_.next(bin + 1);
    return bin == none;
  }
  [[nodiscard, gnu::noinline]] bool vet_list_neighbours(Block block, Fault& fault) const noexcept {
    return bins_.vet_list_neighbours(Self::bin_of(block.extent), block, fault);
  }

  // The largest block is in the highest bin. If a node there was overwritten, the map is searched.
  [[nodiscard]] Size largest() const noexcept {
    const std::size_t bin = bins_.last();
    if (bin == none) return 0;
    Size largest = 0;
    const bool whole =
        bins_.walk(bin, [&](Block block) { largest = std::max(largest, block.extent); });
    return whole ? largest : this->map_.largest_free();
  }
  template <typename Visit>
  void list(Visit visit) const {
    bins_.walk(visit);
  }
  // Every node by itself; and if all are sound, that each is in its bin.
  void inspect(Faults& faults) const {
    const std::size_t before = faults.size();
    PolicyBase<Self>::inspect(faults);
    Size listed = 0;
    this->self().list([&](Block) { ++listed; });
    if (faults.size() == before && listed != this->map_.free_blocks())
      faults.push_back(unlisted(this->map_.free_blocks(), listed));
  }
  [[nodiscard]] Size own_memory() const noexcept { return bins_.own_memory(); }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    bins_.visit_state(visit);
  }
  [[nodiscard]] bool confine_state() noexcept { return bins_.confine_state(); }

 protected:
  [[nodiscard]] static bool same_bin(Block a, Block b) noexcept {
    return Self::bin_of(a.extent) == Self::bin_of(b.extent);
  }

  // The smallest that can serve the request among the first `limit` blocks of a bin, or no block.
  [[nodiscard]] Block smallest_in(std::size_t bin, const Request& request, std::size_t limit,
                                  Fault& fault) const noexcept {
    Block best;
    for (Block block = bins_.front(bin); block; block = bins_.after(block)) {
      if (this->serves(block, request) && (!best || block.extent < best.extent)) best = block;
      if (best.extent == request.extent || --limit == 0) break;
      if (!bins_.vet(bin, block, fault)) return {};
    }
    return best;
  }
  // The same for the lowest bin from `bin` upwards that has such a block.
  [[nodiscard, gnu::noinline]] Block smallest_from(std::size_t bin, const Request& request,
                                                   std::size_t limit, Fault& fault) const noexcept {
    for (bin = bins_.next(bin); bin != none && !fault; bin = bins_.next(bin + 1)) {
      if (const Block block = smallest_in(bin, request, limit, fault)) return block;
    }
    return {};
  }

  static constexpr std::size_t none = Bins<top, Map>::none;
  static constexpr std::size_t unlimited = none;

  Bins<top, Map> bins_;
};

}  // namespace glassheap
