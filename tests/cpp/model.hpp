// model.hpp: first fit as anyone would write it on paper, to compare the heap with.
//
// A vector of pieces in address order, each live or free, searched and cut and merged by brute
// force. It has no bytes, no map and no list, and shares no code with the heap; what it shares is
// the definition: 16 bytes in front of each payload, sizes rounded up to 16, the lowest place that
// fits.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "glassheap/heap.hpp"

namespace glassheap {

class Model {
 public:
  struct Piece {
    Offset start;
    Size extent;
    Size size;  // asked for, or on offer
    bool live;
  };

  // `origin` is where the region really lies: alignment is counted from there.
  Model(Size region_size, Address origin) : origin_(origin) {
    pieces_.push_back({0, region_size, region_size - 16, false});
  }

  // The payload's offset, if something fits.
  std::optional<Offset> malloc(Size size, Size align = 16) {
    if (size > largest_region) return std::nullopt;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const Offset start = aligned(pieces_[i].start, align);
      if (!pieces_[i].live && start + extent(size) <= end(pieces_[i])) return cut(i, start, size);
    }
    return std::nullopt;
  }

  void free(Offset payload) {
    const std::size_t i = index(payload);
    pieces_[i].live = false;
    pieces_[i].size = pieces_[i].extent - 16;
    absorb_right(i);
    if (i > 0 && !pieces_[i - 1].live) absorb_right(i - 1);
  }

  std::optional<Offset> realloc(Offset payload, Size size, Size align = 16) {
    const std::size_t i = index(payload);
    const Piece old = pieces_[i];
    const Size reach = end(old) + (is_free(i + 1) ? pieces_[i + 1].extent : 0) - old.start;
    if (size <= largest_region && extent(size) <= reach && aligned(old.start, align) == old.start) {
      absorb_right(i);
      pieces_[i].live = false;
      return cut(i, old.start, size);
    }
    const auto moved = malloc(size, align);
    if (moved) free(payload);
    return moved;
  }

  [[nodiscard]] const std::vector<Piece>& pieces() const { return pieces_; }

  // The payloads of all live pieces, in address order.
  [[nodiscard]] std::vector<Offset> live() const {
    std::vector<Offset> payloads;
    for (const Piece& piece : pieces_) {
      if (piece.live) payloads.push_back(piece.start + 16);
    }
    return payloads;
  }

 private:
  static Offset end(const Piece& piece) { return piece.start + piece.extent; }
  static Size extent(Size size) { return 16 + (size + 15) / 16 * 16; }

  [[nodiscard]] bool is_free(std::size_t i) const { return i < pieces_.size() && !pieces_[i].live; }

  [[nodiscard]] Offset aligned(Offset start, Size align) const {
    const Size over = (origin_ + start + 16) % align;
    return over == 0 ? start : start + (align - over);
  }

  [[nodiscard]] std::size_t index(Offset payload) const {
    std::size_t i = 0;
    while (pieces_[i].start + 16 != payload) ++i;
    return i;
  }

  // Puts a live piece into piece i, and what is left before and behind it as free pieces.
  Offset cut(std::size_t i, Offset start, Size size) {
    const Piece from = pieces_[i];
    const Offset stop = start + extent(size);
    std::vector<Piece> parts;
    if (start > from.start)
      parts.push_back({from.start, start - from.start, start - from.start - 16, false});
    parts.push_back({start, extent(size), size, true});
    if (stop < end(from)) parts.push_back({stop, end(from) - stop, end(from) - stop - 16, false});
    const auto place = pieces_.erase(pieces_.begin() + static_cast<std::ptrdiff_t>(i));
    pieces_.insert(place, parts.begin(), parts.end());
    return start + 16;
  }

  // Piece i takes in the free piece at its right, if there is one.
  void absorb_right(std::size_t i) {
    if (!is_free(i + 1)) return;
    pieces_[i].extent += pieces_[i + 1].extent;
    pieces_[i].size = pieces_[i].extent - 16;
    pieces_.erase(pieces_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }

  std::vector<Piece> pieces_;
  Address origin_;
};

// Where the heap and the model differ, in words; empty if they agree. Compares the walk, the free
// list, and what check() finds.
[[nodiscard]] inline std::string difference(Heap& heap, const Model& model) {
  Fault fault;
  const auto blocks = heap.walk(fault);
  const auto list = heap.free_list(fault);
  if (blocks.size() != model.pieces().size()) return "the numbers of blocks differ";
  std::size_t listed = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto& piece = model.pieces()[i];
    const auto& block = blocks[i];
    if (block.start - heap.base() != piece.start || block.extent != piece.extent ||
        block.size != piece.size || block.live != piece.live)
      return "block " + std::to_string(i) + " differs";
    if (piece.live) continue;
    if (listed >= list.size() || list[listed].address != block.start ||
        list[listed].size != piece.size)
      return "entry " + std::to_string(listed) + " of the free list differs";
    ++listed;
  }
  if (listed != list.size()) return "the free list is too long";
  const Findings findings = heap.check(fault);
  return findings.empty() ? "" : sentence(findings.front());
}

}  // namespace glassheap
