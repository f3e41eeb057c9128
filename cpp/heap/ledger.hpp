// ledger.hpp: the tag and the time of each block, outside of the region.
//
// An entry for each granule, 8 bytes, at the granule where a payload starts:
//
//     granule   0          1                     5          6
//     region    | header   | payload .........   | header   | payload ...
//     ledger    |          | tag, time           |          | tag, time
//
// malloc writes the entry of the block that it returns, and free writes nothing: the entry of a live
// block is always its own, and that of any other granule means nothing. The caller owns the block,
// so a write needs no lock; a report reads under the heap's lock, where the live blocks stand still.
// An entry of zeros belongs to a block that is older than the ledger: no tag, and the time at which
// the ledger began.
//
// The array is mapped and not reserved: a page of it takes memory once a block begins in its 8 KiB
// of the region. Cost: O(1), a store and the reading of a coarse clock.
#pragma once

#include <atomic>
#include <ctime>

#include "base/zeroed_array.hpp"
#include "heap/tag_table.hpp"

namespace glassheap {

// Time in steps of 1/32 s: 32 bits last for four years.
using Tick = std::uint32_t;
inline constexpr unsigned ticks_a_second = 32;

// The clock is that of the last interrupt, some milliseconds ago: it takes a fifth of the time of one
// that is exact.
[[nodiscard]] inline Tick read_clock() noexcept {
#ifdef CLOCK_MONOTONIC_COARSE
  constexpr clockid_t clock = CLOCK_MONOTONIC_COARSE;
#else
  constexpr clockid_t clock = CLOCK_MONOTONIC;
#endif
  timespec now{};
  clock_gettime(clock, &now);
  const auto part = static_cast<std::uint32_t>(now.tv_nsec) / (1'000'000'000 / ticks_a_second);
  return static_cast<Tick>(now.tv_sec) * ticks_a_second + part;
}

class Ledger {
 public:
  // Of a region of `size` bytes. Throws std::bad_alloc.
  Ledger(Size size, bool multithreaded);

  struct Entry {
    TagId tag = 0;
    Tick time = 0;  // since the ledger began
  };

  // The block with this payload was handed out now, and has no tag.
  void note(Offset payload) noexcept { note(payload, now()); }
  void note(Offset payload, Tick time) noexcept { write(payload, {0, time}); }
  void set_tag(Offset payload, TagId tag) noexcept { write(payload, {tag, read(payload).time}); }
  // The block at `from` is at `to` now.
  void move(Offset from, Offset to) noexcept { write(to, read(from)); }

  [[nodiscard]] Entry read(Offset payload) const noexcept {
    if (payload / granule_size >= places_) return {};
    const std::uint64_t word = place(payload).load(std::memory_order_relaxed);
    return {static_cast<TagId>(word >> 32), static_cast<Tick>(word)};
  }
  // Time since the ledger began.
  [[nodiscard]] Tick now() const noexcept { return read_clock() - began_; }
  [[nodiscard]] Size own_memory() const noexcept;

  TagTable tags;

 private:
  [[nodiscard]] std::atomic_ref<std::uint64_t> place(Offset payload) const noexcept {
    return std::atomic_ref(entries_[payload / granule_size]);
  }
  void write(Offset payload, Entry entry) noexcept {
    if (payload / granule_size >= places_) [[unlikely]]
      return;
    place(payload).store(std::uint64_t{entry.tag} << 32 | entry.time, std::memory_order_relaxed);
  }

  const std::size_t places_;
  const Tick began_;
  ZeroedArray<std::uint64_t> entries_;
};

}  // namespace glassheap
