// free_chunks.hpp: the free space of the reference model (model.hpp), and which of it a request
// gets.
//
// The chunks are in a vector, in list order. The rules, which the documentation gives as well:
//
//   1. The list starts as one chunk, the whole region.
//   2. The list is searched in its own order. First fit takes the first chunk that fits; best fit
//      the smallest, worst fit the largest; of equal chunks the earlier one in the list. Next fit
//      starts at the chunk that contains the rover, or else at the first one after it, and wraps
//      once. The rover is the end of the last allocation; before the first allocation it is the
//      start of the region.
//   3. The low end of the chunk is taken. The remainder keeps the chunk's position in the list,
//      unsorted.
//   4. An aligned request fits into a chunk if the lowest block with an aligned payload lies in it.
//      The remainder in front of that block keeps the chunk's position too, before the remainder
//      behind it.
//   5. A freed chunk goes to the front, or to the back, or to its place by address, or to the back
//      with a stable sort of the whole list, by size or by descending size.
//   6. With coalescing, each free then makes one pass in list order, which merges a chunk into the
//      one before it in the list if that one ends at its address.
//   7. Buddies: free space is in the largest chunks that are powers of two and start at a multiple
//      of their size.
//   8. Quick fit: a freed chunk of 1 KiB or more merges with the chunk on either side of it; a smaller
//      one merges with none. All chunks that touch merge when a free leaves more than four chunks for
//      each live block, and 256; and when no chunk serves a request, but a merged one does.
//
// first_fit, next_fit, best_fit and worst_fit are these rules in address order with coalescing.
// Any other policy chooses a chunk, and orders its lists, by rules of its own: for those, rule 2
// tells only if some chunk fits, and is_exact() is false.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "variants.hpp"

namespace glassheap {

struct Chunk {
  Address start;
  Size extent;
  [[nodiscard]] Address end() const { return start + extent; }
};

class FreeChunks {
 public:
  // All of a region is free, from `origin` on.
  FreeChunks(const Options& options, Address origin, Size extent)
      : options_(options),
        exact_(is_modelled(options)),
        origin_(origin),
        list_{{origin, extent}},
        rover_(origin) {
    if (!splits_anywhere(options_)) halve();
  }

  [[nodiscard]] bool is_exact() const { return exact_; }
  [[nodiscard]] const std::vector<Chunk>& list() const { return list_; }
  [[nodiscard]] Address rover() const { return options_.policy == "next_fit" ? rover_ : 0; }
  void adopt(std::vector<Chunk> list) { list_ = std::move(list); }

  // The chunk that contains `at`; null if there is none.
  [[nodiscard]] const Chunk* around(Address at) const {
    const auto chunk =
        std::ranges::find_if(list_, [at](const Chunk& c) { return at - c.start < c.extent; });
    return chunk == list_.end() ? nullptr : &*chunk;
  }

  // The start of the block that a request gets, or of one that would do if this is not exact.
  [[nodiscard]] std::optional<Address> place(Size extent, Size align) const {
    const Chunk* const chunk = search(extent, align);
    if (chunk != nullptr) return chunk->start + gap(*chunk, align);
    if (!defers_coalescing(options_) || is_merged()) return std::nullopt;
    return with_merged().place(extent, align);
  }
  // Returns true if the block is where a request to its chunk would place it.
  [[nodiscard]] bool may_place(Chunk block, Size align) const {
    if (defers_coalescing(options_) && search(block.extent, align) == nullptr && !is_merged())
      return with_merged().may_place(block, align);
    const Chunk* const from = around(block.start);
    return from != nullptr && block.start == from->start + gap(*from, align) &&
           block.end() <= from->end();
  }

  void allocate(Chunk block) {
    take(block);
    rover_ = block.end();
  }
  // Takes a block out of the chunk that contains it, as rules 3 and 4 say.
  void take(Chunk block) {
    if (defers_coalescing(options_) && around(block.start)->end() < block.end()) merge();
    const Chunk from = *around(block.start);
    const auto place = list_.erase(std::ranges::find(list_, from.start, &Chunk::start));
    std::vector<Chunk> remainders;
    if (block.start > from.start) remainders.push_back({from.start, block.start - from.start});
    if (block.end() < from.end()) remainders.push_back({block.end(), from.end() - block.end()});
    list_.insert(place, remainders.begin(), remainders.end());
    if (!splits_anywhere(options_)) halve();
  }
  // Adds a chunk that was freed; so many blocks are live then.
  void add(Chunk chunk, Size live) {
    insert(chunk);
    if (defers_coalescing(options_)) {
      if (chunk.extent >= 1024) merge_with_neighbours(chunk);
      if (list_.size() > 4 * live + 256) merge();
    } else if (options_.coalesce.value_or(true)) {
      merge();
    }
    if (!splits_anywhere(options_)) halve();
  }

 private:
  [[nodiscard]] Size gap(const Chunk& chunk, Size align) const {
    const Size over = (chunk.start + front_of(options_)) % std::max(align, granule_size);
    return over == 0 ? 0 : align - over;
  }

  [[nodiscard]] const Chunk* search(Size extent, Size align) const {  // rule 2
    const Chunk* found = nullptr;
    const std::size_t first = options_.policy == "next_fit" ? at_rover() : 0;
    for (std::size_t k = 0; k < list_.size(); ++k) {
      const Chunk& chunk = list_[(first + k) % list_.size()];
      const bool fits = gap(chunk, align) + extent <= chunk.extent;
      if (fits && (found == nullptr || is_better(chunk, *found))) found = &chunk;
    }
    return found;
  }
  [[nodiscard]] bool is_better(const Chunk& chunk, const Chunk& than) const {
    if (options_.policy == "best_fit" || options_.fit == Fit::best)
      return chunk.extent < than.extent;
    if (options_.policy == "worst_fit" || options_.fit == Fit::worst)
      return chunk.extent > than.extent;
    return false;
  }
  [[nodiscard]] std::size_t at_rover() const {
    const auto at = std::ranges::upper_bound(list_, rover_, {}, &Chunk::end);
    return at == list_.end() ? 0 : static_cast<std::size_t>(at - list_.begin());
  }

  void insert(Chunk chunk) {  // rule 5
    const Order order = options_.order.value_or(Order::address);
    const auto place = order == Order::front ? list_.begin()
                       : order == Order::address
                           ? std::ranges::lower_bound(list_, chunk.start, {}, &Chunk::start)
                           : list_.end();
    list_.insert(place, chunk);
    if (order == Order::size_up) sort_by_extent(std::ranges::less{});
    if (order == Order::size_down) sort_by_extent(std::ranges::greater{});
  }
  // A stable insertion sort: clang warns of std::stable_sort, because that of libstdc++ 12 calls a
  // deprecated function.
  template <typename Before>
  void sort_by_extent(Before before) {
    for (auto at = list_.begin(); at != list_.end(); ++at) {
      const auto place =
          std::ranges::upper_bound(list_.begin(), at, at->extent, before, &Chunk::extent);
      std::rotate(place, at, at + 1);
    }
  }
  // In address order, as quick fit's list is here.
  void merge_with_neighbours(Chunk chunk) {  // rule 8
    const auto at = std::ranges::find(list_, chunk.start, &Chunk::start);
    if (const auto right = std::next(at); right != list_.end() && right->start == at->end()) {
      at->extent += right->extent;
      list_.erase(right);
    }
    if (at == list_.begin()) return;
    if (const auto left = std::prev(at); left->end() == at->start) {
      left->extent += at->extent;
      list_.erase(at);
    }
  }
  [[nodiscard]] bool is_merged() const { return with_merged().list_.size() == list_.size(); }
  [[nodiscard]] FreeChunks with_merged() const {
    FreeChunks merged = *this;
    merged.merge();
    return merged;
  }
  void merge() {  // rule 6
    std::vector<Chunk> merged;
    for (const Chunk& chunk : list_) {
      if (!merged.empty() && merged.back().end() == chunk.start) {
        merged.back().extent += chunk.extent;
      } else {
        merged.push_back(chunk);
      }
    }
    list_ = std::move(merged);
  }
  void halve() {  // rule 7
    merge();
    std::vector<Chunk> pieces;
    for (Chunk rest : list_) {
      while (rest.extent != 0) {
        const Size at = rest.start - origin_;
        const Size most = at == 0 ? largest_region : at & (~at + 1);  // the lowest bit
        pieces.push_back({rest.start, std::min(std::bit_floor(rest.extent), most)});
        rest = {pieces.back().end(), rest.extent - pieces.back().extent};
      }
    }
    list_ = std::move(pieces);
  }

  Options options_;
  bool exact_;
  Address origin_;
  std::vector<Chunk> list_;
  Address rover_;
};

}  // namespace glassheap
