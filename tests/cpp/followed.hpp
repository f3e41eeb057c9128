// followed.hpp: a heap, and somebody who follows each of its calls and knows what must come of it.
//
// Followed compares with the model, to the address. Where a policy leaves the address open,
// Witnessed holds the heap to what every policy owes: the blocks tile the region; each has its
// bytes as they were written; a request is refused if and only if no free block could serve it; a
// block is resized in place where it can be. Both have the same calls, so that a test of sequences
// is written once. The heap is a fresh one.
#pragma once

#include <bit>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "model.hpp"
#include "rig.hpp"

namespace glassheap {

class Followed {
 public:
  explicit Followed(Rig& rig) : rig_(rig), model_(*rig) {}

  [[nodiscard]] std::size_t live() const { return model_.live().size(); }
  // The payload of the k-th live block, in address order.
  [[nodiscard]] Address payload(std::size_t k) const {
    return model_.payload_of(std::next(model_.live().begin(), static_cast<long>(k))->first);
  }

  Address malloc(Size size, Size align) {
    Fault fault;
    return expect(rig_->malloc(size, align, fault), model_.malloc(size, align));
  }
  Address realloc(Address payload, Size size, Size align) {
    Fault fault;
    return expect(rig_->realloc(payload, size, align, fault), model_.realloc(payload, size, align));
  }
  void free(Address payload) {
    Fault fault;
    if (!rig_->free(payload, fault)) failure_ = sentence(fault);
    model_.free(payload);
  }

  // What is wrong; empty if nothing is. The first looks at everything, the second at the list.
  [[nodiscard]] std::string failure() {
    return failure_.empty() ? difference(*rig_, model_) : failure_;
  }
  [[nodiscard]] std::string failure_of_the_list() {
    return failure_.empty() ? difference_of_lists(*rig_, model_) : failure_;
  }
  // Of the calls alone.
  [[nodiscard]] const std::string& failure_of_calls() const { return failure_; }

 private:
  Address expect(Address got, Address expected) {
    if (got != expected)
      failure_ = "got " + std::to_string(got) + ", expected " + std::to_string(expected);
    return got;
  }

  Rig& rig_;
  Model model_;
  std::string failure_;
};

class Witnessed {
 public:
  explicit Witnessed(Rig& rig) : rig_(rig), options_(rig->options()) {
    origin_ = rig->base() + rig->size() - usable_region(options_);
  }

  [[nodiscard]] std::size_t live() const { return live_.size(); }
  [[nodiscard]] Address payload(std::size_t k) const {
    return std::next(live_.begin(), static_cast<long>(k))->first;
  }

  Address malloc(Size size, Size align) {
    const bool can = fits(size, align);
    Fault fault;
    const Address payload = rig_->malloc(size, align, fault);
    expect((payload != 0) == can, can ? "refused, though it fits" : "served, though nothing fits");
    if (payload != 0) note(payload, size, align);
    return payload;
  }
  Address realloc(Address payload, Size size, Size align) {
    const bool stays = payload % align == 0 && fits_in_place(payload, size);
    const bool can = stays || fits(size, align);
    const Stamp was = live_.at(payload);
    Fault fault;
    const Address now = rig_->realloc(payload, size, align, fault);
    expect((now != 0) == can, can ? "refused, though it fits" : "served, though nothing fits");
    if (now == 0) return 0;
    expect((now == payload) == stays, "moved, or did not");
    live_.erase(payload);
    expect(is_stamped(now, was.mark, std::min(was.size, size)), "a payload changed as it moved");
    note(now, size, align);
    return now;
  }
  void free(Address payload) {
    live_.erase(payload);
    Fault fault;
    expect(rig_->free(payload, fault), "could not be freed");
  }

  [[nodiscard]] std::string failure() {
    if (!failure_.empty()) return failure_;
    for (const auto& [payload, stamp] : live_)
      expect(is_stamped(payload, stamp.mark, stamp.size), "a payload was written to");
    expect_tiles();
    Fault fault;
    for (const Fault& finding : rig_->check(fault)) return sentence(finding);
    return failure_;
  }
  // How the list is ordered is the policy's own affair.
  [[nodiscard]] const std::string& failure_of_the_list() const { return failure_; }
  [[nodiscard]] const std::string& failure_of_calls() const { return failure_; }
  // The largest free block can be had, whole; and when all is given back, the heap is as new.
  [[nodiscard]] std::string failure_at_the_end() {
    Fault fault;
    if (!rig_.free_list().empty()) expect(malloc(rig_->largest_free(fault), 16) != 0, "no largest");
    while (!live_.empty()) free(live_.begin()->first);
    expect(rig_.free_list() == rig_.first_list(), "the empty heap is not as new");
    return failure();
  }

 private:
  struct Stamp {
    Size size;
    std::byte mark;
  };

  void expect(bool holds, const char* text) {
    if (!holds && failure_.empty()) failure_ = text;
  }

  void note(Address payload, Size size, Size align) {
    expect(payload % align == 0, "not aligned");
    const std::byte mark{static_cast<unsigned char>(++mark_)};
    live_[payload] = {size, mark};
    std::fill_n(rig_.at(payload), size, mark);
  }
  [[nodiscard]] bool is_stamped(Address payload, std::byte mark, Size size) const {
    const auto* const first = rig_.at(payload);
    return std::all_of(first, first + size, [mark](std::byte byte) { return byte == mark; });
  }

  // Whether some free block can serve the request.
  [[nodiscard]] bool fits(Size size, Size align) {
    if (size > largest_region) return false;
    for (const BlockInfo& block : rig_.walk()) {
      const Size gap = (align - block.address % align) % align;
      if (!block.live && gap + extent_of(options_, size) <= block.extent) return true;
    }
    return false;
  }
  // Whether the block can have another size where it is: buddies stand at multiples of theirs.
  [[nodiscard]] bool fits_in_place(Address payload, Size size) {
    const Address start = payload - front_of(options_);
    const Size need = size <= largest_region ? extent_of(options_, size) : nowhere;
    Size room = 0;
    for (const BlockInfo& block : rig_.walk()) {
      if (block.start == start) room = block.extent;
      if (room != 0 && need <= room) return true;
      if (room != 0 && block.start == start + room)
        return !block.live && need <= room + block.extent &&
               (cuts_anywhere(options_) || (start - origin_) % need == 0);
    }
    return false;
  }

  void expect_tiles() {
    Address end = origin_;
    std::size_t live = 0;
    for (const BlockInfo& block : rig_.walk()) {
      expect(block.start == end, "the blocks do not tile the region");
      end += block.extent;
      live += block.live ? 1 : 0;
      const auto known = live_.find(block.address);
      if (!block.live) {
        expect(is_sound_when_free(block), "a free block that cannot be");
      } else if (known == live_.end() || block.size != shown_size(options_, known->second.size) ||
                 block.extent != extent_of(options_, known->second.size)) {
        expect(false, "a live block that nobody asked for");
      }
    }
    expect(live == live_.size() && end == rig_->base() + rig_->size(), "a block is missing");
  }
  // Of buddies: a power of two, at a multiple of it, whose buddy is not free.
  [[nodiscard]] bool is_sound_when_free(const BlockInfo& block) {
    if (cuts_anywhere(options_)) return true;
    const Address start = block.start - origin_;
    if (!is_power_of_two(block.extent) || start % block.extent != 0) return false;
    return std::ranges::none_of(rig_.walk(), [&](const BlockInfo& other) {
      return !other.live && other.extent == block.extent &&
             other.start - origin_ == (start ^ block.extent);
    });
  }

  Rig& rig_;
  Options options_;
  Address origin_;  // of the first block
  std::map<Address, Stamp> live_;
  unsigned mark_ = 0;
  std::string failure_;
};

}  // namespace glassheap
