// heap_fixture.hpp: a heap under test, and the calls that tests make on it.
//
// Every call of a Heap fills in a Fault. A test expects a call either to succeed, and then there is
// no fault; or to be refused, and then nothing has changed: no byte of the region, no block, no
// position in the free list, and no counter except `failures`. The calls of HeapFixture expect
// success; HeapFixture::refused expects a refusal and compares the heap before and after. So each
// refusal in each test also tests that promise.
#pragma once

#include <cstring>
#include <stdexcept>
#include <vector>

#include "glassheap/heap.hpp"
#include "glassheap/layout.h"
#include "printing.hpp"
#include "variants.hpp"

namespace glassheap {

// The region's bytes, including those that a heap with debug checks poisons for AddressSanitizer.
[[gnu::no_sanitize_address]] inline std::vector<std::byte> bytes_of(const Heap& heap) {
  std::vector<std::byte> bytes(heap.size());
  const auto* const first = std::bit_cast<const volatile std::byte*>(heap.address());
  for (Size i = 0; i < bytes.size(); ++i) bytes[i] = first[i];
  return bytes;
}

// The state that a refused call must not change.
class Snapshot {
 public:
  explicit Snapshot(Heap& heap) : bytes_(bytes_of(heap)) {
    Fault fault;
    blocks_ = heap.walk(fault);
    free_list_ = heap.free_list(fault);
    stats_ = heap.stats(fault);
    stats_.failures = 0;
  }

  [[nodiscard]] bool operator==(const Snapshot& other) const {
    return bytes_ == other.bytes_ && blocks_ == other.blocks_ && free_list_ == other.free_list_ &&
           same(stats_, other.stats_);
  }

  friend void PrintTo(const Snapshot& state, std::ostream* out) {
    *out << state.blocks_.size() << " blocks, " << state.stats_.requested << " bytes requested, "
         << state.stats_.mallocs << " mallocs, " << state.stats_.frees << " frees, bytes";
    for (const std::byte byte : state.bytes_) *out << ' ' << std::to_integer<int>(byte);
  }

 private:
  // memcmp compares padding too, and Stats has none.
  static_assert(std::has_unique_object_representations_v<Stats>);
  static bool same(const Stats& a, const Stats& b) {
    return std::memcmp(&a, &b, sizeof(Stats)) == 0;
  }

  std::vector<std::byte> bytes_;
  std::vector<BlockInfo> blocks_;
  std::vector<FreeBlock> free_list_;
  Stats stats_;
};

class HeapFixture {
 public:
  explicit HeapFixture(const Options& options) {
    Fault fault;
    heap_ = Heap::open(options, fault);
    if (!heap_) throw std::runtime_error(sentence(fault));
    first_list_ = free_list();
  }

  Heap* operator->() const { return heap_.get(); }
  Heap& operator*() const { return *heap_; }

  // Returns the result of `call`, a function of a Fault&. Expects it to succeed.
  template <typename Call>
  auto granted(Call call) {
    Fault fault;
    auto result = call(fault);
    EXPECT_EQ(fault.kind, FaultKind::none) << sentence(fault);
    return result;
  }

  // Returns the Fault of `call`, a function of a Fault&. Expects it to be refused and to change
  // nothing.
  template <typename Call>
  Fault refused(Call call) {
    const Snapshot before(*heap_);
    Fault fault;
    call(fault);
    EXPECT_NE(fault.kind, FaultKind::none) << "The call should have been refused.";
    EXPECT_EQ(Snapshot(*heap_), before) << "Refused (" << sentence(fault) << "), yet it wrote.";
    return fault;
  }

  // Calls that are expected to succeed.
  Address malloc(Size size, Size align = granule_size) {
    return granted([&](Fault& fault) { return heap_->malloc(size, align, fault); });
  }
  Address calloc(Size count, Size size) {
    return granted([&](Fault& fault) { return heap_->calloc(count, size, fault); });
  }
  Address realloc(Address payload, Size size, Size align = granule_size) {
    return granted([&](Fault& fault) { return heap_->realloc(payload, size, align, fault); });
  }
  void free(Address payload) {
    EXPECT_TRUE(granted([&](Fault& fault) { return heap_->free(payload, fault); }));
  }
  void reset() {
    EXPECT_TRUE(granted([&](Fault& fault) { return heap_->reset(fault); }));
  }
  bool contains(Address payload) {
    return granted([&](Fault& fault) { return heap_->contains(payload, fault); });
  }
  std::vector<FreeBlock> free_list() {
    return granted([&](Fault& fault) { return heap_->free_list(fault); });
  }
  // The free list of the fresh heap.
  [[nodiscard]] const std::vector<FreeBlock>& first_list() const { return first_list_; }
  std::vector<BlockInfo> walk() {
    return granted([&](Fault& fault) { return heap_->walk(fault); });
  }
  Stats stats() {
    return granted([&](Fault& fault) { return heap_->stats(fault); });
  }
  Findings check() {
    return granted([&](Fault& fault) { return heap_->check(fault); });
  }

  // Calls that are expected to be refused.
  Fault refused_malloc(Size size, Size align = granule_size) {
    return refused([&](Fault& fault) { EXPECT_EQ(heap_->malloc(size, align, fault), 0U); });
  }
  Fault refused_realloc(Address payload, Size size, Size align = granule_size) {
    return refused(
        [&](Fault& fault) { EXPECT_EQ(heap_->realloc(payload, size, align, fault), 0U); });
  }
  Fault refused_free(Address payload) {
    return refused([&](Fault& fault) { EXPECT_FALSE(heap_->free(payload, fault)); });
  }

  // The block whose payload is at `payload`, as walk() reports it.
  BlockInfo info(Address payload) {
    for (const BlockInfo& block : walk()) {
      if (block.address == payload) return block;
    }
    ADD_FAILURE() << "No block has its payload at " << payload << '.';
    return {};
  }

  // The memory at a heap address, and the region's first byte.
  [[nodiscard]] std::byte* at(Address address) const {
    return region() + (address - heap_->base());
  }
  [[nodiscard]] std::byte* region() const { return std::bit_cast<std::byte*>(heap_->address()); }

 private:
  std::unique_ptr<Heap> heap_;
  std::vector<FreeBlock> first_list_;
};

// Expects that every block is free, that the blocks cover the region, and, if the heap coalesces
// fully, that its free list is that of a fresh heap.
inline void expect_all_free(HeapFixture& heap) {
  Size covered = 0;
  for (const BlockInfo& block : heap.walk()) {
    EXPECT_FALSE(block.live) << block.start;
    covered += block.extent;
  }
  EXPECT_EQ(covered, usable_region(heap->options()));
  if (coalesces_fully(heap->options())) {
    EXPECT_EQ(heap.free_list(), heap.first_list());
  }
  EXPECT_TRUE(heap.check().empty());
}

// The fixture of a contract that holds for every kind of heap. A suite derives from this class and
// is instantiated with by_name and ValuesIn(variants()), or ValuesIn(variants(predicate)).
class EveryPolicy : public ::testing::TestWithParam<Variant> {
 protected:
  [[nodiscard]] static Options options(Size size = 4096) {
    Options options = GetParam().options;
    options.size = size;
    return options;
  }
  [[nodiscard]] static Size front() { return front_of(options()); }
  [[nodiscard]] static Size extent(Size size) { return extent_of(options(), size); }
  [[nodiscard]] static Size reported(Size size) { return reported_size(options(), size); }
};

[[nodiscard]] inline std::string by_name(const ::testing::TestParamInfo<Variant>& variant) {
  return variant.param.name;
}

}  // namespace glassheap
