// stray_calls.hpp: every call on a shared heap whose own bytes may be damaged. Nothing is expected
// of the results, except that a block lies in the region: the process must survive.
#pragma once

#include <bit>
#include <cstring>
#include <random>
#include <vector>

#include "glassheap/shared_heap.hpp"
#include "shared/core_in_segment.hpp"
#include "shared/publication.hpp"

namespace glassheap {

class StrayCalls {
 public:
  StrayCalls(SharedHeap& heap, const SegmentLocation& location, std::vector<Address> known,
             std::vector<Handle> handles)
      : heap_(heap),
        location_(location),
        known_(std::move(known)),
        handles_(std::move(handles)),
        segment_(shared::open_published(location, wait_, opening_)),
        journal_(shared::journal_in(*segment_)),
        core_(shared::core_over(*segment_, heap.options(), journal_)) {}

  // True if a call has handed out memory outside the region.
  [[nodiscard]] bool misdirected() const { return misdirected_; }

  // Makes `count` calls, drawn by `seed`. A damaged heap refuses most calls: half of the time the
  // mark is wiped, so that the calls find the damage itself.
  void make(std::uint64_t seed, int count) {
    random_.seed(seed);
    blocks_ = known_;
    for (int i = 0; i < count; ++i) {
      Fault fault;
      if (below(2) == 0) superblock().damaged = 0;
      try {
        calls[below(std::size(calls))](*this, fault);
      } catch (const std::bad_alloc&) {  // lists as long as damaged counts say
      }
    }
  }

 private:
  using Call = void (*)(StrayCalls&, Fault&);
  static const Call calls[35];

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  Size size() { return below(4) == 0 ? below(20'000) : below(300); }
  Address& block() { return blocks_[below(blocks_.size())]; }
  Handle& handle() { return handles_[below(handles_.size())]; }
  [[nodiscard]] shared::Superblock& superblock() const { return shared::superblock_of(*segment_); }

  // Writes to all of a block that was handed out, as its owner would.
  void accept(Address got, Size bytes) {
    if (got == 0) return;
    const bool within = got <= heap_.size() && bytes <= heap_.size() - got;
    misdirected_ = misdirected_ || !within;
    if (within) std::memset(std::bit_cast<std::byte*>(heap_.address() + got), 0x5A, bytes);
    block() = got;
  }
  void malloc(Size align, Fault& fault) {
    const Size bytes = size();
    accept(heap_.malloc(bytes, align, fault), bytes);
    if (fault) static_cast<void>(heap_.explain(fault));
  }
  void realloc(Fault& fault) {
    const Size bytes = size();
    accept(heap_.realloc(block(), bytes, granule_size, fault), bytes);
  }
  void malloc_many(Fault& fault) {
    std::vector<Size> sizes(1 + below(6), size());
    sizes.push_back(below(4) == 0 ? heap_.size() : 40);
    std::vector<Address> got(sizes.size());
    if (!heap_.malloc_many(sizes, got, fault)) return;
    for (std::size_t i = 0; i < got.size(); ++i) accept(got[i], sizes[i]);
  }
  void free_many(Fault& fault) {
    std::vector<Address> some(1 + below(6));
    for (Address& one : some) one = block();
    heap_.free_many(some, fault);
  }
  void drop_ref(Fault& fault) {
    bool freed = false;
    heap_.drop_ref(handle(), freed, fault);
  }
  // What the next process does if another one dies in a call: with any intent.
  void recover(Fault& fault) {
    const Offset start = round_down(below(heap_.size()), granule_size);
    const Intent drawn{start, start + size() / 16 * 16, size(), size(), below(heap_.size())};
    core_->load(superblock().state);
    static_cast<void>(core_->rebuild(below(2) == 0 ? superblock().intent.pending() : drawn, fault));
  }
  void attach(Fault& fault) {
    SharedHeap::Opening how;
    how.location = location_;
    how.timeout = 0.001;  // the lock is free; without the mark `published`, attach waits
    if (below(8) == 0) static_cast<void>(SharedHeap::attach(how, "", fault));
  }

  SharedHeap& heap_;
  SegmentLocation location_;
  const std::vector<Address> known_;
  std::vector<Handle> handles_;
  Fault opening_;
  Wait wait_{0};
  std::unique_ptr<shared::Segment> segment_;
  Journal journal_;
  std::unique_ptr<CoreInterface> core_;
  std::vector<Address> blocks_;
  std::mt19937_64 random_;
  bool misdirected_ = false;
};

inline const StrayCalls::Call StrayCalls::calls[] = {
    [](StrayCalls& c, Fault& fault) { c.malloc(granule_size, fault); },
    [](StrayCalls& c, Fault& fault) { c.malloc(granule_size, fault); },
    [](StrayCalls& c, Fault& fault) { c.malloc(granule_size, fault); },
    [](StrayCalls& c, Fault& fault) { c.malloc(granule_size, fault); },
    [](StrayCalls& c, Fault& fault) { c.malloc(Size{16} << c.below(6), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.free(c.block(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.free(c.block(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.free(c.block(), fault); },
    [](StrayCalls& c, Fault& fault) { c.realloc(fault); },
    [](StrayCalls& c, Fault& fault) { c.realloc(fault); },
    [](StrayCalls& c, Fault& fault) { c.accept(c.heap_.calloc(3, 100, fault), 300); },
    [](StrayCalls& c, Fault& fault) { c.malloc_many(fault); },
    [](StrayCalls& c, Fault& fault) { c.malloc_many(fault); },
    [](StrayCalls& c, Fault& fault) { c.free_many(fault); },
    [](StrayCalls& c, Fault& fault) { c.free_many(fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.acquire(c.size(), 16, c.handle(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.handle_of(c.block(), c.handle(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.share(c.handle(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.share_own(c.handle(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.share_inherited(c.handle(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.release_own(c.handle(), fault); },
    [](StrayCalls& c, Fault& fault) { c.drop_ref(fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.release(c.handle(), fault); },
    [](StrayCalls& c, Fault& fault) { c.heap_.reap(c.below(2) == 0 ? 0 : 60, fault); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.owners(fault)); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.check(fault)); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.walk(fault)); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.free_list_line(fault)); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.stats(fault)); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.usable_size(c.block(), fault)); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.contains(c.random_(), fault)); },
    [](StrayCalls& c, Fault& fault) { static_cast<void>(c.heap_.largest_free(fault)); },
    [](StrayCalls& c, Fault& fault) {
      if (c.below(4) == 0) c.heap_.reset(fault);
    },
    [](StrayCalls& c, Fault& fault) { c.recover(fault); },
    [](StrayCalls& c, Fault& fault) { c.attach(fault); },
};

}  // namespace glassheap
