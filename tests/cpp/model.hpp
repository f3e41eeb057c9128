// model.hpp: a reference model of the heap, to compare the real one with.
//
// The model keeps the free chunks in a vector, in list order, and the live ones in a map. It has no
// bytes, no block map and no index, and shares no code with the heap. Both follow the same rules:
//
//   1. The list starts as one chunk, the whole region.
//   2. A request takes its size, rounded up to 16, and the header; at least 16 bytes.
//   3. The list is searched in its own order. First fit takes the first chunk that fits; best fit
//      the smallest, worst fit the largest; of equal chunks the earlier one in the list. Next fit
//      starts at the chunk that contains the rover, or else at the first one after it, and wraps
//      once. The rover is the end of the last allocation; before the first allocation it is the
//      start of the region.
//   4. The low end of the chunk is taken. The remainder keeps the chunk's position in the list,
//      unsorted.
//   5. An aligned request fits into a chunk if the lowest block with an aligned payload lies in it.
//      The remainder in front of that block keeps the chunk's position too, before the remainder
//      behind it.
//   6. A freed chunk goes to the front, or to the back, or to the back with a stable sort of the
//      whole list: by address, by size, by descending size.
//   7. With coalescing, each free then makes one pass in list order, which merges a chunk into the
//      one before it in the list if that one ends at its address.
//   8. A block shrinks in place, and its tail is freed like a block of its own. It grows in place
//      if the free chunk that begins where it ends is large enough, by rule 4. Otherwise, and
//      whenever its payload is not aligned as requested, a new block is allocated and then the old
//      one is freed.
//
// first_fit, next_fit, best_fit and worst_fit are these rules in address order with coalescing.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "glassheap/heap.hpp"

namespace glassheap {

class Model {
 public:
  struct Chunk {
    Address start;
    Size extent;
    [[nodiscard]] Address end() const { return start + extent; }
  };
  struct Allocation {
    Size extent;
    Size size;  // as the heap reports it
  };

  // The model of a heap that has just been opened.
  explicit Model(const Heap& heap)
      : fit_(fit_of(heap.options())),
        order_(heap.options().order.value_or(Order::address)),
        coalesce_(heap.options().coalesce.value_or(true)),
        header_(heap.options().headers ? 16 : 0) {
    const Size unused = !heap.options().headers && heap.base() == 0 ? 16 : 0;
    list_.push_back({heap.base() + unused, heap.size() - unused});
    rover_ = list_.front().start;
  }

  // Returns the address of the payload; 0 if nothing fits.
  Address malloc(Size size, Size align) {
    if (size > largest_region) return 0;
    const auto index = search(need(size), align);
    if (!index) return 0;
    const Address block = list_[*index].start + gap(list_[*index], align);
    carve(*index, block, need(size));
    take(block, size);
    rover_ = block + need(size);
    return block + header_;
  }

  void free(Address payload) {
    const auto block = live_.find(payload - header_);
    const Chunk chunk{block->first, block->second.extent};
    live_.erase(block);
    add_free(chunk);
  }

  Address realloc(Address payload, Size size, Size align) {
    const bool stays = size <= largest_region && payload % align == 0;
    if (stays && (shrinks(payload - header_, size) || grows(payload - header_, size)))
      return payload;
    const Address moved = malloc(size, align);
    if (moved != 0) free(payload);
    return moved;
  }

  [[nodiscard]] const std::vector<Chunk>& list() const { return list_; }
  [[nodiscard]] const std::map<Address, Allocation>& live() const { return live_; }
  [[nodiscard]] Address payload_of(Address block) const { return block + header_; }
  [[nodiscard]] Size offered(const Chunk& chunk) const { return chunk.extent - header_; }

 private:
  enum class Search { first, next, best, worst };

  static Search fit_of(const Options& options) {
    const Fit fit = options.fit.value_or(Fit::first);
    if (options.policy == "next_fit") return Search::next;
    if (options.policy == "best_fit" || fit == Fit::best) return Search::best;
    if (options.policy == "worst_fit" || fit == Fit::worst) return Search::worst;
    return Search::first;
  }

  [[nodiscard]] Size need(Size size) const {  // rule 2
    return std::max(header_ + (size + 15) / 16 * 16, Size{16});
  }
  [[nodiscard]] Size gap(const Chunk& chunk, Size align) const {  // rule 5
    const Size over = (chunk.start + header_) % align;
    return over == 0 ? 0 : align - over;
  }

  [[nodiscard]] std::optional<std::size_t> search(Size need, Size align) const {  // rule 3
    std::optional<std::size_t> best;
    const std::size_t first = search_start();
    for (std::size_t k = 0; k < list_.size(); ++k) {
      const std::size_t i = (first + k) % list_.size();
      if (gap(list_[i], align) + need > list_[i].extent) continue;
      if (fit_ == Search::first || fit_ == Search::next) return i;
      if (!best || is_better(list_[i].extent, list_[*best].extent)) best = i;
    }
    return best;
  }
  [[nodiscard]] bool is_better(Size extent, Size than) const {
    return fit_ == Search::best ? extent < than : extent > than;
  }
  [[nodiscard]] std::size_t search_start() const {
    if (fit_ != Search::next) return 0;
    const auto at = std::ranges::upper_bound(list_, rover_, {}, &Chunk::end);
    return at == list_.end() ? 0 : static_cast<std::size_t>(at - list_.begin());
  }

  void carve(std::size_t index, Address block, Size need) {  // rules 4 and 5
    const Chunk from = list_[index];
    const auto place = list_.erase(list_.begin() + static_cast<std::ptrdiff_t>(index));
    std::vector<Chunk> remainders;
    if (block > from.start) remainders.push_back({from.start, block - from.start});
    if (block + need < from.end()) remainders.push_back({block + need, from.end() - block - need});
    list_.insert(place, remainders.begin(), remainders.end());
  }
  void take(Address block, Size size) {
    live_[block] = {need(size), header_ == 0 ? need(size) : size};
  }

  void add_free(Chunk chunk) {
    insert(chunk);
    if (coalesce_) merge();
  }
  void insert(Chunk chunk) {  // rule 6
    if (order_ == Order::front) {
      list_.insert(list_.begin(), chunk);
      return;
    }
    list_.push_back(chunk);
    if (order_ == Order::address) std::ranges::stable_sort(list_, {}, &Chunk::start);
    if (order_ == Order::size_up) std::ranges::stable_sort(list_, {}, &Chunk::extent);
    if (order_ == Order::size_down)
      std::ranges::stable_sort(list_, std::ranges::greater{}, &Chunk::extent);
  }
  void merge() {  // rule 7
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

  // The two parts of rule 8. Each returns false if it does not apply.
  bool shrinks(Address block, Size size) {
    const Size now = live_.at(block).extent;
    if (need(size) > now) return false;
    take(block, size);
    if (need(size) < now) add_free({block + need(size), now - need(size)});
    return true;
  }
  bool grows(Address block, Size size) {
    const Address end = block + live_.at(block).extent;
    const Size more = block + need(size) - end;
    const auto right = std::ranges::find(list_, end, &Chunk::start);
    if (right == list_.end() || right->extent < more) return false;
    carve(static_cast<std::size_t>(right - list_.begin()), end, more);
    take(block, size);
    return true;
  }

  Search fit_;
  Order order_;
  bool coalesce_;
  Size header_;
  std::vector<Chunk> list_;
  std::map<Address, Allocation> live_;
  Address rover_;
};

// Returns a description of the first difference between heap and model; empty if they agree.
[[nodiscard]] inline std::string difference_of_lists(Heap& heap, const Model& model) {
  Fault fault;
  const auto list = heap.free_list(fault);
  if (list.size() != model.list().size()) return "the free lists are not equally long";
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Model::Chunk& chunk = model.list()[i];
    if (list[i].address != chunk.start || list[i].size != model.offered(chunk))
      return "entry " + std::to_string(i) + " of the free list differs";
  }
  return "";
}

// Compares each live block with the model's, and the number of free blocks with its free chunks.
[[nodiscard]] inline std::string difference_of_walks(Heap& heap, const Model& model) {
  Fault fault;
  const auto blocks = heap.walk(fault);
  if (blocks.size() != model.live().size() + model.list().size())
    return "the numbers of blocks differ";
  for (const BlockInfo& block : blocks) {
    if (!block.live) continue;
    const auto allocation = model.live().find(block.start);
    if (allocation == model.live().end() || allocation->second.extent != block.extent ||
        allocation->second.size != block.size || block.address != model.payload_of(block.start))
      return "the block at " + std::to_string(block.start - heap.base()) + " differs";
  }
  return "";
}

// Compares the walk and the free list, and reports the first finding of check().
[[nodiscard]] inline std::string difference(Heap& heap, const Model& model) {
  if (auto text = difference_of_walks(heap, model); !text.empty()) return text;
  if (auto text = difference_of_lists(heap, model); !text.empty()) return text;
  Fault fault;
  const Findings findings = heap.check(fault);
  return findings.empty() ? "" : findings.front().sentence;
}

}  // namespace glassheap
