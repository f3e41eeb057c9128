// checked_heaps.hpp: wrappers of a fresh heap that check the result of each call.
//
// ModelChecked compares the heap with the model, to the address. Where a policy leaves the address
// open, InvariantChecked checks the invariants of every policy: the blocks tile the region; each
// payload keeps the bytes that were written to it; a request is refused if and only if no free
// block could serve it; a block is resized in place if that is possible. Both classes have the same
// calls, so a test of call sequences is written once, as a template.
#pragma once

#include <bit>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "heap_fixture.hpp"
#include "model.hpp"

namespace glassheap {

class ModelChecked {
 public:
  explicit ModelChecked(HeapFixture& heap) : heap_(heap), model_(*heap) {}

  [[nodiscard]] std::size_t live() const { return model_.live().size(); }
  // The payload of the k-th live block, in address order.
  [[nodiscard]] Address payload(std::size_t k) const {
    return model_.payload_of(std::next(model_.live().begin(), static_cast<long>(k))->first);
  }

  Address malloc(Size size, Size align) {
    Fault fault;
    return expect(heap_->malloc(size, align, fault), model_.malloc(size, align));
  }
  Address realloc(Address payload, Size size, Size align) {
    Fault fault;
    return expect(heap_->realloc(payload, size, align, fault),
                  model_.realloc(payload, size, align));
  }
  void free(Address payload) {
    Fault fault;
    if (!heap_->free(payload, fault)) failure_ = sentence(fault);
    model_.free(payload);
  }

  // The first failure; empty if there is none. failure() compares the whole heap, list_failure()
  // its free list, and call_failure() only the results of the calls.
  [[nodiscard]] std::string failure() {
    return failure_.empty() ? difference(*heap_, model_) : failure_;
  }
  [[nodiscard]] std::string list_failure() {
    return failure_.empty() ? difference_of_lists(*heap_, model_) : failure_;
  }
  [[nodiscard]] const std::string& call_failure() const { return failure_; }

 private:
  Address expect(Address got, Address expected) {
    if (got != expected)
      failure_ = "got " + std::to_string(got) + ", expected " + std::to_string(expected);
    return got;
  }

  HeapFixture& heap_;
  Model model_;
  std::string failure_;
};

class InvariantChecked {
 public:
  explicit InvariantChecked(HeapFixture& heap) : heap_(heap), options_(heap->options()) {
    origin_ = heap->base() + heap->size() - usable_region(options_);
  }

  [[nodiscard]] std::size_t live() const { return live_.size(); }
  [[nodiscard]] Address payload(std::size_t k) const {
    return std::next(live_.begin(), static_cast<long>(k))->first;
  }

  Address malloc(Size size, Size align) {
    const bool can = fits(size, align);
    Fault fault;
    const Address payload = heap_->malloc(size, align, fault);
    expect((payload != 0) == can, can ? "refused, though it fits" : "served, though nothing fits");
    if (payload != 0) record(payload, size, align);
    return payload;
  }
  Address realloc(Address payload, Size size, Size align) {
    const bool stays = payload % align == 0 && fits_in_place(payload, size);
    const bool can = stays || fits(size, align);
    const Stamp was = live_.at(payload);
    Fault fault;
    const Address now = heap_->realloc(payload, size, align, fault);
    expect((now != 0) == can, can ? "refused, though it fits" : "served, though nothing fits");
    if (now == 0) return 0;
    expect((now == payload) == stays, stays ? "moved, though it fits in place" : "did not move");
    live_.erase(payload);
    expect(is_stamped(now, was.mark, std::min(was.size, size)), "a payload changed as it moved");
    record(now, size, align);
    return now;
  }
  void free(Address payload) {
    live_.erase(payload);
    Fault fault;
    expect(heap_->free(payload, fault), "could not be freed");
  }

  [[nodiscard]] std::string failure() {
    if (!failure_.empty()) return failure_;
    for (const auto& [payload, stamp] : live_)
      expect(is_stamped(payload, stamp.mark, stamp.size), "a payload was written to");
    expect_tiling();
    Fault fault;
    for (const Finding& finding : heap_->check(fault)) return finding.sentence;
    return failure_;
  }
  // The order of the free list is up to the policy.
  [[nodiscard]] const std::string& list_failure() const { return failure_; }
  [[nodiscard]] const std::string& call_failure() const { return failure_; }
  // Allocates the largest free block whole, then frees every block: the heap must be as new.
  [[nodiscard]] std::string final_failure() {
    Fault fault;
    if (!heap_.free_list().empty())
      expect(malloc(heap_->largest_free(fault), 16) != 0, "the largest free block is refused");
    while (!live_.empty()) free(live_.begin()->first);
    expect(heap_.free_list() == heap_.first_list(), "the empty heap is not as new");
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

  void record(Address payload, Size size, Size align) {
    expect(payload % align == 0, "not aligned");
    const std::byte mark{static_cast<unsigned char>(++mark_)};
    live_[payload] = {size, mark};
    std::fill_n(heap_.at(payload), size, mark);
  }
  [[nodiscard]] bool is_stamped(Address payload, std::byte mark, Size size) const {
    const auto* const first = heap_.at(payload);
    return std::all_of(first, first + size, [mark](std::byte byte) { return byte == mark; });
  }

  // True if some free block can serve the request.
  [[nodiscard]] bool fits(Size size, Size align) {
    if (size > largest_region) return false;
    for (const BlockInfo& block : heap_.walk()) {
      const Size gap = (align - block.address % align) % align;
      if (!block.live && gap + extent_of(options_, size) <= block.extent) return true;
    }
    return false;
  }
  // True if the block can be resized in place. A buddy's address is a multiple of its extent.
  [[nodiscard]] bool fits_in_place(Address payload, Size size) {
    const Address start = payload - front_of(options_);
    const Size need = size <= largest_region ? extent_of(options_, size) : nowhere;
    Size room = 0;
    for (const BlockInfo& block : heap_.walk()) {
      if (block.start == start) room = block.extent;
      if (room != 0 && need <= room) return true;
      if (room != 0 && block.start == start + room)
        return !block.live && need <= room + block.extent &&
               (splits_anywhere(options_) || (start - origin_) % need == 0);
    }
    return false;
  }

  void expect_tiling() {
    Address end = origin_;
    std::size_t live = 0;
    for (const BlockInfo& block : heap_.walk()) {
      expect(block.start == end, "the blocks do not tile the region");
      end += block.extent;
      live += block.live ? 1 : 0;
      const auto recorded = live_.find(block.address);
      if (!block.live) {
        expect(is_valid_when_free(block), "an invalid free block");
      } else if (recorded == live_.end() ||
                 block.size != reported_size(options_, recorded->second.size) ||
                 block.extent != extent_of(options_, recorded->second.size)) {
        expect(false, "an unexpected live block");
      }
    }
    expect(live == live_.size() && end == heap_->base() + heap_->size(), "a block is missing");
  }
  // True if a free block may exist: a buddy's extent is a power of two, its address a multiple of
  // it, and its own buddy is not free.
  [[nodiscard]] bool is_valid_when_free(const BlockInfo& block) {
    if (splits_anywhere(options_)) return true;
    const Address start = block.start - origin_;
    if (!is_power_of_two(block.extent) || start % block.extent != 0) return false;
    return std::ranges::none_of(heap_.walk(), [&](const BlockInfo& other) {
      return !other.live && other.extent == block.extent &&
             other.start - origin_ == (start ^ block.extent);
    });
  }

  HeapFixture& heap_;
  Options options_;
  Address origin_;  // of the first block
  std::map<Address, Stamp> live_;
  unsigned mark_ = 0;
  std::string failure_;
};

}  // namespace glassheap
