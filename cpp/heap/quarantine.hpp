// quarantine.hpp: freed blocks that wait before they are handed out again.
//
// For the core a waiting block is live: nothing is allocated over it. For the caller it is free.
// Its payload has the fill of free memory, so that a late write to it is found, by check() or when
// it leaves. The oldest block leaves first, when the blocks that wait have more than `limit` bytes.
//
//     free(p) -->  | newest ... oldest |  -->  the core frees the block, if its fill still holds
//                  at most `limit` bytes
//
// This file has the list of these blocks. HeapState (quarantine.cpp) decides what enters
// and leaves it. A block is filled last: until then it can be taken back, unchanged.
// Cost: O(1) for contains(); a bit for each granule, and 24 bytes for each block that waits.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/bitmap.hpp"
#include "base/zeroed_array.hpp"
#include "check/checker.hpp"

namespace glassheap {

// Sums over the blocks that wait.
struct WaitingSums {
  Size blocks = 0;  // a count
  Size requested = 0;
  Size taken = 0;
};

class Quarantine {
 public:
  // `region` is the size of the region. Throws std::bad_alloc.
  Quarantine(Size limit, Size region, std::byte fill);

  [[nodiscard]] Size limit() const noexcept { return limit_; }
  [[nodiscard]] const WaitingSums& sums() const noexcept { return sums_; }
  [[nodiscard]] bool contains(Offset payload) const noexcept {
    return payload % granule_size == 0 && payload / granule_size < places_ &&
           Bitmap::test(waiting_.get(), payload / granule_size);
  }
  [[nodiscard]] std::span<const Offset> payloads() const noexcept {
    return std::span(payloads_).subspan(head_);
  }
  // The payloads that leave next. Their order may be changed before they do.
  [[nodiscard]] std::span<Offset> oldest(std::size_t count) noexcept {
    return std::span(payloads_).subspan(head_, count);
  }
  // Bytes asked for in the payload at this index of payloads().
  [[nodiscard]] Size size(std::size_t index) const noexcept { return sizes_[head_ + index].size; }
  // How many of the oldest blocks are filled. The others may be taken back.
  [[nodiscard]] std::size_t filled() const noexcept { return filled_; }
  // How many of the oldest blocks have to leave.
  [[nodiscard]] std::size_t excess() const noexcept;
  [[nodiscard]] std::byte fill() const noexcept { return fill_; }
  [[nodiscard]] Size own_memory() const noexcept;

  // Makes room in the list. Returns false if there is no memory for it.
  [[nodiscard]] bool reserve(std::size_t blocks) noexcept;
  // Adds a block that is not filled yet. There is room for it.
  void push(Offset payload, const LiveBlock& block) noexcept;
  void take_back(std::size_t newest) noexcept;
  void note_filled() noexcept { filled_ = payloads().size(); }
  void drop_oldest(std::size_t blocks) noexcept;
  void clear() noexcept { drop_oldest(payloads().size()); }

  // Notes that `requested` bytes are live in the core, which counts the blocks that wait.
  void note_peak(Size requested) noexcept {
    peak_requested = std::max(peak_requested, requested - sums_.requested);
  }

  // The core counts a block that waits as live, a block that has left as freed then, and a realloc
  // by way of the quarantine as a malloc and a free. These are the differences.
  std::uint64_t frees = 0;     // blocks that the caller has freed, and the core has not
  std::uint64_t moves = 0;     // such reallocs
  std::uint64_t failures = 0;  // requests that were served when the quarantine was empty
  Size peak_requested = 0;     // without the blocks that wait

 private:
  struct Sizes {
    Size size;
    Size extent;
  };
  void forget(std::size_t index) noexcept;

  Size limit_;
  std::size_t places_;
  std::byte fill_;
  ZeroedArray<Bitmap::Word> waiting_;  // a bit for the payload of each block that waits
  std::vector<Offset> payloads_;       // from head_ on, the oldest first
  std::vector<Sizes> sizes_;
  std::size_t head_ = 0;
  std::size_t filled_ = 0;
  WaitingSums sums_;
};

}  // namespace glassheap
