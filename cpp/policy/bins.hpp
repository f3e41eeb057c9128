// bins.hpp: many lists of free blocks, one for each class of sizes, and a bit for each that is not
// empty.
//
//     bin        0  1  2  3  4  5  6 ...
//     nonempty   0  0  1  0  0  1  1 ...         bit i: bin i has a block
//     head       -  -  |  -  -  |  | ...
//                      32       80 96            a list of records (block/records.hpp)
//                      32          96
//
// The smallest bin from some size upwards that has a block is found by a search of the bits. A new
// block goes to the front of its bin: the block that was freed last is still in the cache.
//
// BinnedPolicy is the common part of the policies with bins. Each defines bin_of(extent), the bin
// of a free block, which never falls as the extent grows; and tells if the top is in a bin.
#pragma once

#include <vector>

#include "block/records.hpp"
#include "policy/bin_set.hpp"
#include "policy/policy.hpp"
#include "policy/size_class.hpp"

namespace glassheap {

// Tells if the top, the free block that ends the region, is in a bin or kept apart from all bins.
enum class Top : bool { listed, excluded };

template <typename Map = BinMap>
class Bins {
 public:
  using Record = Records::Number;
  static constexpr std::size_t none = Map::none;

  // `count` empty bins, with room for `capacity` blocks. Throws std::bad_alloc if and only if there
  // is no memory for them.
  Bins(BlockBytes& bytes, const BlockMap& map, std::size_t count, Size capacity)
      : records_(bytes, map, capacity), count_(count), heads_(map.arena().take<Record>(count)) {
    if (!map.arena().is_borrowed()) clear();
  }

  void clear() noexcept {
    std::fill_n(heads_.get(), count_, Records::nil);
    nonempty_ = {};
    records_.clear();
  }

  [[nodiscard]] const Records& records() const noexcept { return records_; }
  [[nodiscard, gnu::always_inline]] std::size_t next(std::size_t bin) const noexcept {
    return nonempty_.next(bin);
  }
  [[nodiscard]] bool has(std::size_t bin) const noexcept { return nonempty_.has(bin); }
  [[nodiscard]] std::size_t last() const noexcept { return nonempty_.last(); }
  [[nodiscard]] Record head(std::size_t bin) const noexcept { return heads_[bin]; }
  [[nodiscard]] Block front(std::size_t bin) const noexcept { return records_.block(heads_[bin]); }

  // A block that becomes free, or is no longer free.
  void push(std::size_t bin, Block block) noexcept {
    const Record record = records_.create();
    if (records_.is_record(record)) [[likely]] {
      push(bin, record, block);
    } else {
      records_.link_none(block);
    }
  }
  // The same for a bin that is empty.
  void push_first(std::size_t bin, Block block) noexcept {
    const Record record = records_.create();
    if (!records_.is_record(record)) [[unlikely]] {
      records_.link_none(block);
      return;
    }
    records_.link_alone(record, block);
    nonempty_.set(bin);
    heads_[bin] = record;
  }
  void erase(std::size_t bin, Record record) noexcept {
    if (records_.is_record(record)) [[likely]]
      unlink(bin, record);
    records_.drop(record);
  }
  // The block of a record, in bin `from`, becomes `now`, which goes to the front of its bin.
  void replace(std::size_t from, Record record, std::size_t bin, Block now) noexcept {
    if (records_.is_record(record)) [[likely]] {
      unlink(from, record);
      push(bin, record, now);
    } else {
      records_.drop(record);
      push(bin, now);
    }
  }
  // Puts a block that was erased last, and has its old node, back behind `before`; or into no bin,
  // if it was in none.
  void put_back(std::size_t bin, Block block, Record before) noexcept {
    if (!records_.names_record(block)) {
      records_.link_none(block);
    } else if (records_.is_record(before)) {
      records_.link(records_.create(), block, before, records_.next(before));
    } else {
      push(bin, block);
    }
  }

  // All lists, to put them back as they were. Throws std::bad_alloc if there is no memory for them.
  struct Snapshot {
    std::vector<Record> heads;
    Map nonempty;
    Records::Snapshot records;
  };
  [[nodiscard]] Snapshot snapshot() const {
    return {{heads_.get(), heads_.get() + count_}, nonempty_, records_.snapshot()};
  }
  void restore(const Snapshot& before) noexcept {
    std::ranges::copy(before.heads, heads_.get());
    nonempty_ = before.nonempty;
    records_.restore(before.records);
  }

  template <typename Visit>
  void walk(Visit visit) const {
    for (std::size_t bin = next(0); bin != none; bin = next(bin + 1)) walk(bin, visit);
  }
  template <typename Visit>
  // Most callers need only the visits. NOLINTNEXTLINE(modernize-use-nodiscard)
  bool walk(std::size_t bin, Visit visit) const {
    return records_.walk(heads_[bin], visit);
  }

  [[nodiscard]] Size own_memory() const noexcept {
    return count_ * sizeof(Record) + records_.own_memory();
  }
  template <typename Visit>
  void visit_state(Visit visit) noexcept {
    visit(nonempty_);
    records_.visit_state(visit);
  }
  [[nodiscard]] bool confine_state() noexcept {
    const bool possible_records = records_.confine_state();
    return nonempty_.confine(count_) && possible_records;
  }

 private:
  void push(std::size_t bin, Record record, Block block) noexcept {
    records_.link_front(record, block, heads_[bin]);
    nonempty_.set(bin);
    heads_[bin] = record;
  }
  void unlink(std::size_t bin, Record record) noexcept {
    if (heads_[bin] != record) {
      records_.unlink(record);
      return;
    }
    const Record next = records_.unlink_front(record);
    heads_[bin] = next;
    if (next == Records::nil) nonempty_.clear(bin);
  }

  Records records_;
  std::size_t count_;
  ZeroedArray<Record> heads_;
  Map nonempty_;
};

template <typename Self, Top top, typename Map = BinMap>
class BinnedPolicy : public PolicyBase<Self> {
 public:
  using Place = Records::Number;
  struct Mark {
    Records::Number before = Records::nil;  // the record before the block in its bin
  };

  BinnedPolicy(BlockBytes& bytes, const BlockMap& map)
      : PolicyBase<Self>(bytes, map),
        bins_(bytes, map, Self::bin_of(map.region_size()) + 1, capacity(map)) {}

  void clear() noexcept { bins_.clear(); }
  void insert(Block block) noexcept { bins_.push(Self::bin_of(block.extent), block); }
  void erase(Block block, Place place) noexcept { bins_.erase(Self::bin_of(block.extent), place); }
  void replace(Block old, Place place, Block now) noexcept {
    bins_.replace(Self::bin_of(old.extent), place, Self::bin_of(now.extent), now);
  }

  [[nodiscard]] Mark mark(Block from) const noexcept {
    if (top == Top::excluded && this->is_top(from)) return {};
    return {bins_.records().prev(bins_.records().record_of(from))};
  }
  void restore(Block from, const Mark& mark) noexcept {
    if (top == Top::excluded && this->is_top(from)) return;
    bins_.put_back(Self::bin_of(from.extent), from, mark.before);
  }

  using Snapshot = typename Bins<Map>::Snapshot;
  [[nodiscard]] Snapshot snapshot() const { return bins_.snapshot(); }
  void restore(const Snapshot& before) noexcept { bins_.restore(before); }

  [[nodiscard]] Offset linking_to(Block block) const noexcept {
    const Records& records = bins_.records();
    const bool apart = top == Top::excluded && this->is_top(block);
    return apart ? nowhere : records.block(records.prev(place_of(block))).start;
  }

  [[nodiscard]] bool vet(Block block, Place& place) const noexcept {
    return bins_.records().vet(block, place);
  }
  void explain(Block block, Fault& fault) const noexcept {
    if (top == Top::excluded && this->is_top(block)) {
      this->explain_node(block, nowhere, fault);
    } else {
      bins_.records().explain(block, fault);
    }
  }
  [[nodiscard]] Place place_of(Block block) const noexcept {
    return bins_.records().record_of(block);
  }
  [[nodiscard]] bool has_extent(Place place) const noexcept {
    return bins_.records().is_record(place);
  }

  // The top, where it is kept apart, is in no bin: its node is all there is.
  [[nodiscard]] bool vet_top(Block block, Place& place) const noexcept {
    if constexpr (top == Top::listed) return vet(block, place);
    place = Records::nil;
    return this->is_node(block, GLASSHEAP_NIL);
  }
  void insert_top(Block block) noexcept {
    if constexpr (top == Top::listed) return insert(block);
    this->write_lone_node(block);
  }
  void erase_top(Block block, Place place) noexcept {
    if constexpr (top == Top::listed) erase(block, place);
  }
  void replace_top(Block old, Place place, Block now) noexcept {
    if constexpr (top == Top::listed) return replace(old, place, now);
    this->write_lone_node(now);
  }
  void split_top(Block old, Place place, Block gap, Block rest) noexcept {
    if constexpr (top == Top::listed) return PolicyBase<Self>::split_top(old, place, gap, rest);
    insert(gap);
    if (rest) this->write_lone_node(rest);
  }

  // The largest block is in the highest bin. Where a block is in no bin, the map is searched.
  [[nodiscard]] Size largest() const noexcept {
    if (bins_.records().unlisted_blocks() != 0) return this->map_.largest_free();
    const std::size_t bin = bins_.last();
    Size largest = top == Top::excluded ? this->map_.top().extent : 0;
    if (bin == none) return largest;
    const bool whole =
        bins_.walk(bin, [&](Block block) { largest = std::max(largest, block.extent); });
    return whole ? largest : this->map_.largest_free();
  }
  template <typename Visit>
  void list(Visit visit) const {
    bins_.walk(visit);
    const Block last = this->map_.top();
    if (top == Top::excluded && last && this->bytes_.offers(last) &&
        this->is_node(last, GLASSHEAP_NIL))
      visit(last);
    bins_.records().walk_unlisted([&](Block block) {
      if (top == Top::listed || !this->is_top(block)) visit(block);
    });
  }
  // Every node by itself; and if all are sound, that each is in its bin.
  void inspect(Faults& faults) const {
    const std::size_t before = faults.size();
    PolicyBase<Self>::inspect(faults);
    Size listed = bins_.records().unlisted_blocks();
    if (top == Top::excluded && this->map_.top()) ++listed;
    bins_.walk([&](Block) { ++listed; });
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
  // vet_at(), for a policy whose find_near() takes block and place from here.
  [[nodiscard]] bool vet_found(Block block, Place place) const noexcept {
    return bins_.records().vet_at(block, place);
  }
  // The first block of a bin, and its place.
  [[nodiscard]] Block front(std::size_t bin, Place& place) const noexcept {
    place = bins_.head(bin);
    return bins_.records().block(place);
  }
  // The top, which has no record.
  [[nodiscard]] Block top_at(Place& place) const noexcept {
    place = Records::nil;
    return this->map_.top();
  }
  // The smallest that can serve the request among the first `limit` blocks of a bin, or no block.
  [[nodiscard]] Block smallest_in(std::size_t bin, const Request& request,
                                  std::size_t limit) const noexcept {
    const Records& records = bins_.records();
    Block best;
    limit = std::min<std::size_t>(limit, this->map_.most_blocks());
    for (Records::Number at = bins_.head(bin); records.is_record(at); at = records.next(at)) {
      const Block block = records.block(at);
      if (this->serves(block, request) && (!best || block.extent < best.extent)) best = block;
      if (best.extent == request.extent || --limit == 0) break;
    }
    return best;
  }
  // The same for the lowest bin from `bin` upwards that has such a block.
  [[nodiscard, gnu::noinline]] Block smallest_from(std::size_t bin, const Request& request,
                                                   std::size_t limit) const noexcept {
    for (bin = bins_.next(bin); bin != none; bin = bins_.next(bin + 1)) {
      if (const Block block = smallest_in(bin, request, limit)) return block;
    }
    return {};
  }
  // The last resort: every block of the bins, and then the blocks that are in none.
  [[nodiscard, gnu::cold, gnu::noinline]] Block any_from(std::size_t bin,
                                                         const Request& request) const noexcept {
    Block found = smallest_from(bin, request, unlimited);
    if (found || bins_.records().unlisted_blocks() == 0) return found;
    this->list_by_map([&](Block block) {
      if (!found && this->serves(block, request)) found = block;
    });
    return found;
  }

  static constexpr std::size_t none = Bins<Map>::none;
  static constexpr std::size_t unlimited = none;

  Bins<Map> bins_;

 private:
  // Free blocks do not touch, where they coalesce at once. A segment has room for one record for
  // each 512 bytes of the region.
  [[nodiscard]] static Size capacity(const BlockMap& map) noexcept {
    const Size granules = map.most_blocks();
    if (map.arena().is_shared()) return granules / 32 + 1;
    return Self::coalescing == Coalescing::neighbours ? granules / 2 + 1 : granules;
  }
};

}  // namespace glassheap
