// rig.hpp: a heap under test, and how tests talk to it.
//
// Every call of a Heap fills in a Fault. A test expects a call either to succeed, and then there is
// no fault; or to be refused, and then nothing has changed: no byte of the region, no block, no
// place in the list, no counter but the failures. Rig's calls expect the first, Rig::refused
// expects the second, so each refusal in each test is also a test of that promise.
#pragma once

#include <cstring>
#include <stdexcept>
#include <vector>

#include "glassheap/heap.hpp"
#include "glassheap/layout.h"
#include "printing.hpp"
#include "variants.hpp"

namespace glassheap {

// The region's bytes, also those that a watched heap has put out of bounds.
[[gnu::no_sanitize_address]] inline std::vector<std::byte> bytes_of(const Heap& heap) {
  std::vector<std::byte> bytes(heap.size());
  const auto* const first = std::bit_cast<const volatile std::byte*>(heap.address());
  for (Size i = 0; i < bytes.size(); ++i) bytes[i] = first[i];
  return bytes;
}

// All that a refused call leaves as it was.
class Snapshot {
 public:
  explicit Snapshot(Heap& heap) : bytes_(bytes_of(heap)) {
    Fault fault;
    infos_ = heap.walk(fault);
    list_ = heap.free_list(fault);
    stats_ = heap.stats(fault);
    stats_.failures = 0;
  }

  [[nodiscard]] bool operator==(const Snapshot& other) const {
    return bytes_ == other.bytes_ && infos_ == other.infos_ && list_ == other.list_ &&
           same(stats_, other.stats_);
  }

  friend void PrintTo(const Snapshot& state, std::ostream* out) {
    *out << state.infos_.size() << " blocks, " << state.stats_.requested << " bytes requested, "
         << state.stats_.mallocs << " mallocs, " << state.stats_.frees << " frees, bytes";
    for (const std::byte byte : state.bytes_) *out << ' ' << std::to_integer<int>(byte);
  }

 private:
  // Counts and sums are all that it has: no padding.
  static_assert(std::has_unique_object_representations_v<Stats>);
  static bool same(const Stats& a, const Stats& b) {
    return std::memcmp(&a, &b, sizeof(Stats)) == 0;
  }

  std::vector<std::byte> bytes_;
  std::vector<BlockInfo> infos_;
  std::vector<FreeBlock> list_;
  Stats stats_;
};

class Rig {
 public:
  explicit Rig(const Options& options) {
    Fault fault;
    heap_ = Heap::open(options, fault);
    if (!heap_) throw std::runtime_error(sentence(fault));
    first_list_ = free_list();
  }

  Heap* operator->() const { return heap_.get(); }
  Heap& operator*() const { return *heap_; }

  // What `call`, a function of a Fault&, returns. It is to succeed.
  template <typename Call>
  auto granted(Call call) {
    Fault fault;
    auto result = call(fault);
    EXPECT_EQ(fault.kind, FaultKind::none) << sentence(fault);
    return result;
  }

  // Why `call`, a function of a Fault&, is refused. It is to change nothing.
  template <typename Call>
  Fault refused(Call call) {
    const Snapshot before(*heap_);
    Fault fault;
    call(fault);
    EXPECT_NE(fault.kind, FaultKind::none) << "The call should have been refused.";
    EXPECT_EQ(Snapshot(*heap_), before) << "Refused (" << sentence(fault) << "), yet it wrote.";
    return fault;
  }

  // Calls that are to succeed.
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
  // The list of the fresh heap.
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

  // Calls that are to be refused.
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

  // The block whose payload is at `payload`, as walk() shows it.
  BlockInfo info(Address payload) {
    for (const BlockInfo& block : walk()) {
      if (block.address == payload) return block;
    }
    ADD_FAILURE() << "No block has its payload at " << payload << '.';
    return {};
  }

  // The memory behind an address, and the region's first byte.
  [[nodiscard]] std::byte* at(Address address) const {
    return region() + (address - heap_->base());
  }
  [[nodiscard]] std::byte* region() const { return std::bit_cast<std::byte*>(heap_->address()); }

 private:
  std::unique_ptr<Heap> heap_;
  std::vector<FreeBlock> first_list_;
};

// Every block has been freed: they cover the region, and where the heap joins them all again it is
// as it was at first.
inline void expect_all_free(Rig& rig) {
  Size covered = 0;
  for (const BlockInfo& block : rig.walk()) {
    EXPECT_FALSE(block.live) << block.start;
    covered += block.extent;
  }
  EXPECT_EQ(covered, usable_region(rig->options()));
  if (joins_back(rig->options())) {
    EXPECT_EQ(rig.free_list(), rig.first_list());
  }
  EXPECT_TRUE(rig.check().empty());
}

// A contract that is written once and holds for every heap that can be asked for. A suite derives
// from this, and is instantiated with ValuesIn(variants()), or with those that a predicate picks,
// and by_name.
class EveryPolicy : public ::testing::TestWithParam<Variant> {
 protected:
  [[nodiscard]] static Options options(Size size = 4096) {
    Options options = GetParam().options;
    options.size = size;
    return options;
  }
  [[nodiscard]] static Size front() { return front_of(options()); }
  [[nodiscard]] static Size extent(Size size) { return extent_of(options(), size); }
  [[nodiscard]] static Size shown(Size size) { return shown_size(options(), size); }
};

[[nodiscard]] inline std::string by_name(const ::testing::TestParamInfo<Variant>& variant) {
  return variant.param.name;
}

}  // namespace glassheap
