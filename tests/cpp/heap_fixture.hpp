// heap_fixture.hpp: a heap under test, and the calls that tests make on it.
//
// Every call of a Heap fills in a Fault. A test expects a call either to succeed, and then there is
// no fault; or to be refused, and then nothing has changed: no byte of the region, no block, no
// position in the free list, and no counter except `failures`. The calls of HeapFixture expect
// success; HeapFixture::refused expects a refusal and compares the heap before and after. So each
// refusal in each test also tests that promise.
//
// A CheckedHeap (checked_heap.hpp) has a model that tells if a call succeeds. A HeapFixture is for
// tests that say it themselves.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>

#include "glassheap/layout.h"
#include "heap_view.hpp"

namespace glassheap {

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
  [[nodiscard]] HeapView view() const { return HeapView(*heap_); }

  // Returns the result of `call`, a function of a Fault&. Expects it to succeed.
  template <typename Call>
  auto granted(Call call) const {
    Fault fault;
    auto result = call(fault);
    EXPECT_EQ(fault.kind, FaultKind::none) << sentence(fault);
    return result;
  }
  // Returns the Fault of `call`, a function of a Fault&. Expects it to be refused and to change
  // nothing.
  template <typename Call>
  Fault refused(Call call) const {
    const HeapView before = view();
    Fault fault;
    EXPECT_FALSE(call(fault));
    EXPECT_NE(fault.kind, FaultKind::none) << "The call should have been refused.";
    EXPECT_EQ(view(), before) << "Refused (" << sentence(fault) << "), yet it wrote.";
    return fault;
  }

  // --- Calls that are expected to succeed. ------------------------------------------------------

  Address malloc(Size size, Size align = granule_size) {
    return granted([&](Fault& f) { return heap_->malloc(size, align, f); });
  }
  Address realloc(Address payload, Size size, Size align = granule_size) {
    return granted([&](Fault& f) { return heap_->realloc(payload, size, align, f); });
  }
  void free(Address payload) {
    EXPECT_TRUE(granted([&](Fault& f) { return heap_->free(payload, f); }));
  }
  std::vector<Address> malloc_many(const std::vector<Size>& sizes) {
    std::vector<Address> addresses(sizes.size());
    EXPECT_TRUE(granted([&](Fault& f) { return heap_->malloc_many(sizes, addresses, f); }));
    return addresses;
  }
  void free_many(std::vector<Address> addresses) {
    EXPECT_TRUE(granted([&](Fault& f) { return heap_->free_many(addresses, f); }));
  }
  void reset() {
    EXPECT_TRUE(granted([&](Fault& f) { return heap_->reset(f); }));
  }
  void close() {
    EXPECT_TRUE(granted([&](Fault& f) { return heap_->close(f); }));
  }
  bool contains(Address payload) const {
    return granted([&](Fault& f) { return heap_->contains(payload, f); });
  }
  std::vector<FreeBlock> free_list() const {
    return granted([&](Fault& f) { return heap_->free_list(f); });
  }
  std::vector<BlockInfo> walk() const {
    return granted([&](Fault& f) { return heap_->walk(f); });
  }
  Stats stats() const {
    return granted([&](Fault& f) { return heap_->stats(f); });
  }
  Findings check() const {
    return granted([&](Fault& f) { return heap_->check(f); });
  }

  // Expects that every block is free, that the blocks cover the region, and, if the heap coalesces
  // fully, that its free list is that of a fresh heap.
  void expect_all_free() const {
    Size covered = 0;
    for (const BlockInfo& block : walk()) {
      EXPECT_FALSE(block.live) << block.start;
      covered += block.extent;
    }
    EXPECT_EQ(covered, usable_region(heap_->options()));
    EXPECT_TRUE(!coalesces_fully(heap_->options()) || free_list() == first_list_);
    EXPECT_TRUE(check().empty());
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

// The fixture of a contract that holds for every kind of heap.
class EveryPolicy : public ::testing::TestWithParam<Variant> {
 protected:
  [[nodiscard]] static Options options(Size size = 4096) {
    Options options = GetParam().options;
    options.size = size;
    return options;
  }
  [[nodiscard]] static Size front() { return front_of(options()); }
  [[nodiscard]] static Size extent(Size size) { return extent_of(options(), size); }
};

[[nodiscard]] inline std::string by_name(const ::testing::TestParamInfo<Variant>& variant) {
  return variant.param.name;
}

// Instantiates a suite that derives from EveryPolicy with these variants; or with those of
// variants() whose options satisfy every one of these predicates.
#define GLASSHEAP_FOR_VARIANTS(Suite, variants) \
  INSTANTIATE_TEST_SUITE_P(Policies, Suite, ::testing::ValuesIn(variants), by_name)
#define GLASSHEAP_FOR_EVERY(Suite, ...) GLASSHEAP_FOR_VARIANTS(Suite, variants(__VA_ARGS__))

}  // namespace glassheap
