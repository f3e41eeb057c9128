// checked_heap.hpp: a heap, and its oracle, which checks each call on it.
//
// The strictness of the checks depends on what has been done to the heap's own bytes:
//
//     sound         no write has hit a header or node or, with debug checks, any byte outside the
//                   payloads. Each call has exactly the oracle's result, check() finds nothing, and
//                   each payload has the bytes that were written to it
//     overwritten   such a write has been made, and the heap has not detected it yet. A call may be
//                   refused for that; if it is served, it is served as in a sound heap, and no
//                   payload is touched
//     damaged       the heap has detected it. Every change is refused, until reset() repairs the
//                   heap
//
// In every state: a refused call changes nothing, the blocks tile the region, and the live blocks
// are those that were allocated. An endless call, or a call that touches a byte outside the region,
// is detected by the fuzzer's time limit, by the guard pages, and by AddressSanitizer.
#pragma once

#include <functional>
#include <span>
#include <utility>

#include "glassheap/layout.h"
#include "oracle.hpp"
#include "poisoned_gap.hpp"

namespace glassheap::fuzzing {

// A handle, and the allocation that it was made for.
struct HeldHandle {
  Handle handle;
  std::uint64_t id;
};

class CheckedHeap {
 public:
  explicit CheckedHeap(const Options& options);

  [[nodiscard]] HeapView view() const { return HeapView(*heap_); }
  [[nodiscard]] const Oracle& oracle() const { return oracle_; }
  // Recently freed payloads, the latest last.
  [[nodiscard]] const std::vector<Address>& freed() const { return freed_; }
  [[nodiscard]] Address base() const { return heap_->base(); }
  [[nodiscard]] Size size() const { return heap_->size(); }

  // --- Calls. Each must have a result that the oracle allows. (calls.cpp, pins.cpp) -------------

  void malloc(Size size, Size align);
  void calloc(Size count, Size size);
  void free(Address payload);
  void realloc(Address payload, Size size, Size align);
  void malloc_many(const std::vector<Size>& sizes);
  void free_many(const std::vector<Address>& payloads);

  [[nodiscard]] std::optional<HeldHandle> acquire(Size size, Size align);
  void release(const HeldHandle& held);
  void pin(Address payload);
  void pin(const HeldHandle& held);
  void unpin_lowest();  // takes one pin from the pinned block with the lowest address
  void query(Address payload);
  void query(const HeldHandle& held);

  void reset();
  void close();

  // --- Writes, as far as the region goes. (writes.cpp) ------------------------------------------

  void write(Address at, std::span<const std::byte> data);

  // --- Comparisons with the oracle. (inspection.cpp) --------------------------------------------

  void inspect();

 private:
  // A call returns true if it was served; otherwise it fills in the fault.
  using Call = std::function<bool(Fault&)>;

  bool change(const HeapView& before, FaultKind expected, FaultKind or_else, const Call& call);
  bool change(const HeapView& before, FaultKind expected, const Call& call) {
    return change(before, expected, expected, call);
  }
  bool ask(FaultKind expected, FaultKind or_else, const Call& question);
  void expect_unchanged(const HeapView& before, const Fault& fault) const;
  void examine(const Fault& fault) const;
  [[nodiscard]] bool was_damaged(const Fault& fault);

  void expect_short(const HeapView& before, const std::vector<Size>& sizes,
                    const Fault& fault) const;
  [[nodiscard]] FaultKind or_double_free(const HeapView& before, FaultKind expected,
                                         Address payload) const;
  [[nodiscard]] std::pair<FaultKind, FaultKind> fault_of_batch(
      const HeapView& before, const std::vector<Address>& payloads) const;
  [[nodiscard]] FaultKind fault_of_handle(const HeldHandle& held) const;
  [[nodiscard]] FaultKind or_forged(const HeldHandle& held, FaultKind expected) const;

  void on_allocate(Address payload, Size size);
  void on_realloc(const HeapView& before, Address payload, Address now, Size size, Size align);
  void on_free(Address payload);
  void on_pin(Address payload, const Heap::Pinned& pinned);
  void expect_filled(const Allocation& freed) const;

  void write_byte(const HeapView& before, Address at, std::byte byte);
  [[nodiscard]] bool may_be_undetectable(const HeapView& before) const;
  [[nodiscard]] bool may_be_undetectable(const BlockInfo& block, const HeapView& before,
                                         const HeapView& after) const;
  [[nodiscard]] bool is_plausible(const std::vector<std::byte>& bytes, Size at, Size extent) const;

  void compare_blocks() const;
  void compare_payloads() const;
  void compare_free_list(const HeapView& now) const;
  void compare_counters(const HeapView& now) const;

  [[nodiscard]] std::byte* bytes(Address address) const {
    return std::bit_cast<std::byte*>(heap_->address()) + (address - heap_->base());
  }
  [[nodiscard]] bool has(Address payload, const std::vector<std::byte>& content, Size size) const {
    return size == 0 || std::memcmp(bytes(payload), content.data(), size) == 0;
  }

  std::unique_ptr<Heap> heap_;
  PoisonedGap gap_;  // is destroyed before the heap
  Oracle oracle_;
  std::vector<FreeBlock> first_list_;
  std::vector<Address> freed_;
  std::uint64_t epoch_ = 0;
  bool overwritten_ = false;
  bool detectable_ = false;  // check() must find the overwritten bytes
  bool damaged_ = false;     // the heap has detected them
};

}  // namespace glassheap::fuzzing
