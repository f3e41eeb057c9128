// model.hpp: a reference model of the heap. It tells the correct result of each call: which fault a
// request or pointer has, where a block is placed, which blocks are there afterwards, and every
// statistic.
//
// The model has no bytes of a region, no block map and no index, and shares no code with the heap.
// Both follow the same rules: those of free_chunks.hpp, and these:
//
//   - A request takes its size, rounded up to 16, the header and the redzone; at least 16 bytes; a
//     power of two if the policy is buddy.
//   - A block shrinks in place, and its tail is freed like a block of its own. It grows in place if
//     the free chunk that begins where it ends is large enough; a buddy, only to a size of which
//     its start is a multiple. Otherwise, and whenever its payload is not aligned as requested, a
//     new block is allocated and then the old one is freed.
//   - A pointer is classified by the memory that it points to: live and a payload, inside a live
//     block, free, or outside; but free memory where its header would be comes first.
#pragma once

#include <map>

#include "free_chunks.hpp"
#include "printing.hpp"

namespace glassheap {

// A live block.
struct Allocation {
  Size extent = 0;
  Size size = 0;                   // as requested
  std::uint64_t id = 0;            // allocation number; its lowest 16 bits are the serial
  std::vector<std::byte> content;  // the first bytes of the payload
  unsigned pins = 0;
};

class Model {
 public:
  // The model of a heap that has just been opened.
  explicit Model(const Heap& heap)
      : options_(heap.options()),
        front_(front_of(options_)),
        base_(heap.base()),
        end_(base_ + heap.size()),
        origin_(end_ - usable_region(options_)),
        free_(options_, origin_, end_ - origin_) {
    stats_.size = heap.size();
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] Size front() const { return front_; }
  [[nodiscard]] Address origin() const { return origin_; }  // of the first block
  [[nodiscard]] Address end() const { return end_; }
  [[nodiscard]] bool is_exact() const { return free_.is_exact(); }
  // Where the next search of next_fit begins; 0 for other policies.
  [[nodiscard]] Address rover() const { return free_.rover(); }

  // The live blocks, by the address of the payload.
  [[nodiscard]] const std::map<Address, Allocation>& live() const { return live_; }
  [[nodiscard]] Allocation& at(Address payload) { return live_.at(payload); }
  [[nodiscard]] bool any_pinned() const {
    return std::ranges::any_of(live_, [](const auto& entry) { return entry.second.pins != 0; });
  }
  // The number of bytes of a block that may be written.
  [[nodiscard]] Size usable(Address payload) const {
    const Allocation& block = live_.at(payload);
    return has_debug_checks(options_) ? block.size : block.extent - front_;
  }

  // --- The correct result of a call. ------------------------------------------------------------

  [[nodiscard]] FaultKind fault_of_request(Size size, Size align) const {
    if (!serves_align(align)) return FaultKind::invalid_alignment;
    return place(size, align) ? FaultKind::none : FaultKind::out_of_memory;
  }
  // The payload that a request gets; if the model is not exact, one that it may get.
  [[nodiscard]] std::optional<Address> place(Size size, Size align) const {
    if (size > largest_region) return std::nullopt;
    const auto start = free_.place(extent_of(options_, size), std::max(align, granule_size));
    return start ? std::optional(*start + front_) : std::nullopt;
  }
  [[nodiscard]] bool may_place(Address payload, Size size, Size align) const {
    return free_.may_place({payload - front_, extent_of(options_, size)},
                           std::max(align, granule_size));
  }

  // The fault of an address that is passed to free and similar calls; none if it must be served.
  [[nodiscard]] FaultKind fault_of_pointer(Address payload) const {
    if (const auto known = live_.find(payload); known != live_.end())
      return known->second.pins != 0 ? FaultKind::pinned : FaultKind::none;
    if (may_be_double_free(payload) && free_.around(payload - front_)->start == payload - front_)
      return FaultKind::double_free;
    if (payload - base_ >= end_ - base_) return FaultKind::foreign_pointer;
    if ((payload - origin_) % granule_size != 0) return FaultKind::misaligned_pointer;
    if (payload < origin_) return FaultKind::foreign_pointer;  // the granule that stays unused
    return owner(payload) != 0 ? FaultKind::interior_pointer : FaultKind::double_free;
  }
  // Returns true if double_free is correct too: the address of an empty block, which has been
  // merged into the free chunk before it, is the start of the next block.
  [[nodiscard]] bool may_be_double_free(Address payload) const {
    return (payload - origin_) % granule_size == 0 && free_.around(payload - front_) != nullptr;
  }
  // The payload of the live block that contains `at`; 0 if there is none.
  [[nodiscard]] Address owner(Address at) const {
    const auto next = live_.upper_bound(at + front_);
    if (next == live_.begin()) return 0;
    const auto& [payload, block] = *std::prev(next);
    return at + front_ - payload < block.extent ? payload : 0;
  }

  [[nodiscard]] FaultKind fault_of_realloc(Address payload, Size size, Size align) const {
    if (payload == 0 || !serves_align(align)) return fault_of_request(size, align);
    const FaultKind pointer = fault_of_pointer(payload);
    if (pointer != FaultKind::none) return pointer;
    return stays_in_place(payload, size, align) ? FaultKind::none : fault_of_request(size, align);
  }
  [[nodiscard]] bool stays_in_place(Address payload, Size size, Size align) const {
    if (size > largest_region || payload % std::max(align, granule_size) != 0) return false;
    const Chunk now = chunk_of(payload);
    const Size need = extent_of(options_, size);
    if (need <= now.extent) return true;
    const Chunk* const right = free_.around(now.end());
    return right != nullptr && right->start == now.end() && need <= now.extent + right->extent &&
           (splits_anywhere(options_) || (now.start - origin_) % need == 0);
  }

  // --- Calls that are served. -------------------------------------------------------------------

  Allocation& malloc(Address payload, Size size) {
    ++stats_.mallocs;
    return take(payload, size);
  }
  void free(Address payload) {
    ++stats_.frees;
    drop(payload);
  }
  // Resizes a block in place, or moves it to `now`.
  Allocation& realloc(Address payload, Address now, Size size) {
    ++stats_.reallocs;
    if (payload == now) return resize(payload, size);
    const Size old = reported_size(options_, live_.at(payload).size);
    stats_.requested -= old;  // so that no peak includes both blocks
    Allocation& block = take(now, size);
    stats_.requested += old;
    drop(payload);
    return block;
  }
  void reset() {
    live_.clear();
    free_ = FreeChunks(options_, origin_, end_ - origin_);
    stats_.requested = 0;
  }
  void count_failure() { ++stats_.failures; }

  // --- Of a heap whose bytes were overwritten. --------------------------------------------------

  // The free chunks are what they are in the heap: its lists may have been followed.
  void adopt_free(const std::vector<BlockInfo>& blocks) {
    std::vector<Chunk> list;
    for (const BlockInfo& block : blocks)
      if (!block.live) list.push_back({block.start, block.extent});
    free_.adopt(std::move(list));
  }
  // So are the peaks: sizes were read from headers.
  void adopt_peaks(const Stats& stats) {
    stats_.peak_requested = stats.peak_requested;
    stats_.peak_used = stats.peak_used;
  }

  // --- Reports. ---------------------------------------------------------------------------------

  [[nodiscard]] std::vector<BlockInfo> walk() const {
    std::vector<BlockInfo> blocks;
    for (const Chunk& chunk : free_.list())
      blocks.push_back({chunk.start, chunk.start + front_, offered(chunk), chunk.extent, false, 0});
    for (const auto& [payload, block] : live_) {
      const auto serial = static_cast<std::uint16_t>(options_.headers ? block.id : 0);
      blocks.push_back({payload - front_, payload, reported_size(options_, block.size),
                        block.extent, true, serial});
    }
    std::ranges::sort(blocks, {}, &BlockInfo::start);
    return blocks;
  }
  // In address order if the model is not exact.
  [[nodiscard]] std::vector<FreeBlock> free_list() const {
    std::vector<FreeBlock> list;
    for (const Chunk& chunk : free_.list()) list.push_back({chunk.start, offered(chunk)});
    return list;
  }
  [[nodiscard]] Stats stats() const {
    Stats stats = stats_;
    stats.live_blocks = live_.size();
    stats.free_blocks = free_.list().size();
    stats.used = used();
    for (const auto& [payload, block] : live_) stats.overhead += block.extent;
    stats.overhead -= stats.requested;
    for (const Chunk& chunk : free_.list()) {
      stats.available += offered(chunk);
      stats.largest_free = std::max(stats.largest_free, offered(chunk));
    }
    return stats;
  }

 private:
  [[nodiscard]] bool serves_align(Size align) const {
    return is_power_of_two(align) &&
           align <= std::max(granule_size, std::bit_floor((end_ - base_) / 4));
  }
  [[nodiscard]] Size offered(const Chunk& chunk) const {
    return offered_size(options_, chunk.extent);
  }
  [[nodiscard]] Chunk chunk_of(Address payload) const {
    return {payload - front_, live_.at(payload).extent};
  }
  [[nodiscard]] Size used() const {
    return live_.empty() ? 0 : chunk_of(live_.rbegin()->first).end() - base_;
  }

  Allocation& take(Address payload, Size size) {
    Allocation& block = live_[payload];
    block = {extent_of(options_, size), size, ++taken_, {}, 0};
    free_.allocate(chunk_of(payload));
    count(size);
    return block;
  }
  void drop(Address payload) {
    const Chunk chunk = chunk_of(payload);
    stats_.requested -= reported_size(options_, live_.at(payload).size);
    live_.erase(payload);
    free_.add(chunk, live_.size());
  }
  Allocation& resize(Address payload, Size size) {
    Allocation& block = live_.at(payload);
    const Chunk was = chunk_of(payload);
    stats_.requested -= reported_size(options_, block.size);
    block.size = size;
    block.extent = extent_of(options_, size);
    const Address end = was.start + block.extent;
    if (end > was.end()) free_.take({was.end(), end - was.end()});
    if (end < was.end()) free_.add({end, was.end() - end}, live_.size());
    count(size);
    return block;
  }
  void count(Size size) {
    stats_.requested += reported_size(options_, size);
    stats_.peak_requested = std::max(stats_.peak_requested, stats_.requested);
    stats_.peak_used = std::max(stats_.peak_used, used());
  }

  Options options_;
  Size front_;
  Address base_;
  Address end_;
  Address origin_;  // of the first block
  FreeChunks free_;
  std::map<Address, Allocation> live_;
  std::uint64_t taken_ = 0;  // allocations so far
  Stats stats_;              // the size, the sums and the counts of calls
};

}  // namespace glassheap
