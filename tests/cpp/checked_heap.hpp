// checked_heap.hpp: a heap, and its model, which tells the correct result of each call on it.
//
// Unit tests and fuzzers use it alike. A call that breaks a promise throws BrokenPromise.
//
// The strictness of the checks depends on what has been done to the heap's own bytes:
//
//     sound         no write has hit a header or node or, with debug checks, any byte outside the
//                   payloads. Each call has exactly the model's result, check() finds nothing, and
//                   each payload has the bytes that were written to it
//     overwritten   such a write has been made, and the heap has not detected it yet. A call may be
//                   refused for that; if it is served, it is served as in a sound heap, and no
//                   payload is touched
//     damaged       the heap has detected it. Every change is refused, until reset() repairs the
//                   heap
//
// In every state: a refused call changes nothing, the blocks tile the region, and the live blocks
// are those that were allocated. An endless call, or a call that touches a byte outside the region,
// is detected by a fuzzer's time limit, by the guard pages, and by AddressSanitizer.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <stdexcept>
#include <utility>

#include "base/config.hpp"
#include "heap_view.hpp"
#include "model.hpp"

namespace glassheap {

struct BrokenPromise : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void require(bool holds, const char* promise) {
  if (!holds) [[unlikely]]
    throw BrokenPromise(std::string("The heap broke a promise: ") + promise + '.');
}

// A handle, and the allocation that it was made for.
struct HeldHandle {
  Handle handle;
  std::uint64_t id;
};

// Poisons the bytes between the guard page and the region, less than a page, which no correct call
// touches:
//
//     | guard page | gap, poisoned here | region ............ | guard page |
class PoisonedGap {
 public:
  explicit PoisonedGap(Address region) : size_(region % 4096), first_(region - size_) {
    poison(std::bit_cast<const void*>(first_), size_);
  }
  PoisonedGap(const PoisonedGap&) = delete;
  PoisonedGap& operator=(const PoisonedGap&) = delete;
  ~PoisonedGap() { unpoison(std::bit_cast<const void*>(first_), size_); }

 private:
  Size size_;
  Address first_;
};

class CheckedHeap {
 public:
  explicit CheckedHeap(const Options& options);

  // For calls that the model is not told of.
  [[nodiscard]] Heap* operator->() const { return heap_.get(); }
  [[nodiscard]] Heap& operator*() const { return *heap_; }
  [[nodiscard]] HeapView view() const { return HeapView(*heap_); }
  [[nodiscard]] const Model& model() const { return model_; }
  // The fault of the last call.
  [[nodiscard]] const Fault& fault() const { return fault_; }
  // The memory at a heap address. Writes there are not noticed: write() is for those.
  [[nodiscard]] std::byte* at(Address address) const {
    return std::bit_cast<std::byte*>(heap_->address()) + (address - heap_->base());
  }
  template <typename Record>
  [[nodiscard]] Record read(Address start) const {
    Record record;
    std::memcpy(&record, at(start), sizeof record);
    return record;
  }
  // Recently freed payloads, the latest last.
  [[nodiscard]] const std::vector<Address>& freed() const { return freed_; }

  // --- Calls, each of which must have a result that the model allows. (checked_heap.cpp) ---------

  // These return the payload, or payloads; 0 or none if the request was refused.
  Address malloc(Size size, Size align = granule_size);
  Address calloc(Size count, Size size);
  Address realloc(Address payload, Size size, Size align = granule_size);
  void free(Address payload);
  std::vector<Address> malloc_many(const std::vector<Size>& sizes);
  void free_many(const std::vector<Address>& payloads);
  void reset();
  void close();

  // --- Handles, pins, and questions about pointers. (checked_reports.cpp) ------------------------

  [[nodiscard]] std::optional<HeldHandle> acquire(Size size, Size align);
  void release(const HeldHandle& held);
  void pin(Address payload);
  void pin(const HeldHandle& held);
  void unpin_lowest();  // takes one pin from the pinned block with the lowest address
  // realloc and free for the owner of one pin of the block.
  Address realloc_pinned(Address payload, Size size, Size align = granule_size);
  void free_pinned(Address payload);
  void query(Address payload);
  void query(const HeldHandle& held);

  // --- Writes, as far as the region goes; comparisons with the model. (checked_reports.cpp) ------

  void write(Address start, std::span<const std::byte> data);
  template <typename Number>
  void write_number(Address start, const Number& number) {
    std::array<std::byte, sizeof number> bytes;
    std::memcpy(bytes.data(), &number, sizeof number);
    write(start, bytes);
  }
  Findings inspect();           // everything; returns what check() finds
  void compare_blocks() const;  // what walk() reports

 private:
  // A call returns 0 if it was refused; then it has filled in the fault.
  using Call = std::function<Address(Fault&)>;

  Address change(FaultKind expected, FaultKind or_else, const Call& call);
  Address request(Size size, Size align, Call call);
  [[nodiscard]] Call naming(Size size, Size align, Call call) const;
  bool ask(FaultKind expected, FaultKind or_else, const Call& question);
  void expect_unchanged(const HeapView& before, const Fault& fault) const;
  void expect_short(std::span<const Size> sizes) const;
  void examine(const Fault& fault) const;
  [[nodiscard]] bool was_damaged(const Fault& fault);

  [[nodiscard]] FaultKind or_double_free(FaultKind expected, Address payload) const;
  [[nodiscard]] std::pair<FaultKind, FaultKind> fault_of_batch(
      const std::vector<Address>& payloads) const;
  [[nodiscard]] FaultKind fault_of_handle(const HeldHandle& held) const;
  [[nodiscard]] FaultKind or_forged(const HeldHandle& held, FaultKind expected) const;

  void expect_placed(Address payload, Size size, Size align) const;
  void on_allocate(Address payload, Size size, Size align);
  void on_realloc(Address payload, Address now, Size size, Size align);
  void on_free(Address payload);
  void on_pin(Address payload, const Heap::Pinned& pinned);
  void follow_lists();
  void expect_filled(Chunk freed) const;

  void write_byte(const HeapView& before, Address place, std::byte byte);
  [[nodiscard]] bool is_heaps_own(const BlockInfo& block, Size at) const;
  [[nodiscard]] bool links_are_true(const HeapView& now) const;
  [[nodiscard]] bool may_be_undetectable(const HeapView& before) const;
  [[nodiscard]] bool may_be_undetectable(const BlockInfo& block, const HeapView& before,
                                         const HeapView& after) const;
  [[nodiscard]] bool is_plausible(const std::byte* front, Size extent) const;

  void compare_payloads() const;
  void compare_free_list(std::vector<FreeBlock> listed) const;
  void compare_stats(const Stats& stats) const;

  [[nodiscard]] std::vector<BlockInfo> walk() const;

  std::unique_ptr<Heap> heap_;
  PoisonedGap gap_;  // is destroyed before the heap
  Model model_;
  Fault fault_;
  std::vector<FreeBlock> first_list_;
  std::vector<Address> freed_;
  std::uint64_t epoch_ = 0;
  bool overwritten_ = false;
  bool detectable_ = false;  // check() must find the overwritten bytes
  bool damaged_ = false;     // the heap has detected them
};

}  // namespace glassheap
