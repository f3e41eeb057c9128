// A process is killed between any two stores of any call. The next process finds a consistent heap:
// the call is done as a whole or not at all, no byte of any other block has changed, and each block
// has the owner that it should have.

#include <array>

#include "crash_injection.hpp"
#include "limits.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

using Addresses = std::vector<Address>;

// A call, and the state of the heap before it.
struct Call {
  const char* name;
  std::vector<std::size_t> holes;    // of the ten blocks of 100 bytes, those that are freed before
  std::vector<std::size_t> touched;  // the blocks that the call frees or resizes
  std::ptrdiff_t more;               // by how many the live blocks may change; 0 always is allowed
  std::vector<Size> sizes;           // the sizes that a touched block may have afterwards
  void (*run)(SharedHeap&, const Addresses&, Fault&);
};

constexpr std::size_t blocks = 10;
constexpr Size size_of_each = 100;

template <Size size, Size align = granule_size>
void malloc_one(SharedHeap& heap, const Addresses& /*addresses*/, Fault& fault) {
  heap.malloc(size, align, fault);
}
template <std::size_t which>
void free_one(SharedHeap& heap, const Addresses& addresses, Fault& fault) {
  heap.free(addresses[which], fault);
}
template <Size size>
void realloc_one(SharedHeap& heap, const Addresses& addresses, Fault& fault) {
  heap.realloc(addresses[4], size, granule_size, fault);
}
template <Size last>
void malloc_some(SharedHeap& heap, const Addresses& /*addresses*/, Fault& fault) {
  const std::vector<Size> sizes = {10, 100, 300, 40, last};
  Addresses got(sizes.size());
  heap.malloc_many(sizes, got, fault);
}
// More than any free block has: served by quick fit, which then joins blocks 8 and 9 and the top.
void malloc_joins(SharedHeap& heap, const Addresses& /*addresses*/, Fault& fault) {
  heap.malloc(heap.largest_free(fault) + size_of_each, granule_size, fault);
}
void malloc_many_joins_in_vain(SharedHeap& heap, const Addresses& /*addresses*/, Fault& fault) {
  const std::vector<Size> sizes = {10, heap.largest_free(fault) + size_of_each, 1 << 20};
  Addresses got(sizes.size());
  heap.malloc_many(sizes, got, fault);
}
void free_some(SharedHeap& heap, const Addresses& addresses, Fault& fault) {
  Addresses some = {addresses[7], addresses[4], addresses[2], addresses[8], addresses[1]};
  heap.free_many(some, fault);
}
void free_some_twice(SharedHeap& heap, const Addresses& addresses, Fault& fault) {
  Addresses some = {addresses[7], addresses[4], addresses[7], addresses[8]};
  heap.free_many(some, fault);
}
void reset(SharedHeap& heap, const Addresses& /*addresses*/, Fault& fault) { heap.reset(fault); }

const std::vector<Call> tested_calls = {
    {"malloc_from_the_top", {}, {}, 1, {}, malloc_one<100>},
    {"malloc_all_of_a_hole", {3}, {}, 1, {}, malloc_one<100>},
    {"malloc_a_part_of_a_hole", {3, 4}, {}, 1, {}, malloc_one<40>},
    {"malloc_nothing", {3}, {}, 1, {}, malloc_one<0>},
    {"malloc_aligned", {3, 4, 5}, {}, 1, {}, malloc_one<40, 256>},
    {"free_alone", {}, {4}, -1, {}, free_one<4>},
    {"free_behind_a_hole", {3}, {4}, -1, {}, free_one<4>},
    {"free_before_a_hole", {5}, {4}, -1, {}, free_one<4>},
    {"free_between_holes", {3, 5}, {4}, -1, {}, free_one<4>},
    {"free_before_the_top", {8}, {9}, -1, {}, free_one<9>},
    {"realloc_to_the_same", {}, {4}, 0, {103}, realloc_one<103>},
    {"realloc_shrinks", {}, {4}, 0, {20}, realloc_one<20>},
    {"realloc_shrinks_before_a_hole", {5}, {4}, 0, {20}, realloc_one<20>},
    {"realloc_grows_into_a_hole", {5, 6}, {4}, 0, {180}, realloc_one<180>},
    {"realloc_takes_all_of_a_hole", {5}, {4}, 0, {228}, realloc_one<228>},
    {"realloc_moves", {3}, {4}, 0, {400}, realloc_one<400>},
    {"malloc_joins", {8, 9}, {}, 1, {}, malloc_joins},
    {"malloc_many_joins_in_vain", {3, 8, 9}, {}, 0, {}, malloc_many_joins_in_vain},
    {"malloc_many", {3, 6}, {}, 5, {}, malloc_some<50>},
    {"malloc_many_in_vain", {3, 6}, {}, 0, {}, malloc_some<1 << 20>},
    {"free_many", {3}, {1, 2, 4, 7, 8}, -5, {}, free_some},
    {"free_many_in_vain", {3}, {}, 0, {}, free_some_twice},
    {"reset", {3, 5}, {0, 1, 2, 4, 6, 7, 8, 9}, -8, {}, reset},
};

// A heap with the blocks of the call, each filled with bytes of its own; restored for each trial.
class Trials {
 public:
  Trials(const Options& options, const Call& call) : call_(call), heap_(open_in(bytes_, options)) {
    first_list_ = heap_->free_list(fault_);
    for (std::size_t i = 0; i < blocks; ++i) {
      addresses_.push_back(heap_->malloc(size_of_each, granule_size, fault_));
      if (heap_->has_bytes()) std::memset(payload(addresses_.back()), stamp(i), size_of_each);
    }
    for (const std::size_t i : call.holes) heap_->free(addresses_[i], fault_);
    EXPECT_FALSE(fault_) << sentence(fault_);
    superblock().last_writer = 0;  // so that the next process reads the state
    image_.assign(bytes_.data(), bytes_.data() + segment_size);
  }

  // Restores the heap before the call.
  void restore() {
    fault_ = {};
    std::ranges::copy(image_, bytes_.data());
  }

  // Runs the call in a child. Returns true if the child is killed at its store number `store`. The
  // child uses its parent's heap, or attaches to the segment itself.
  [[nodiscard]] bool dies_at(std::uint64_t store, bool attaches) {
    const bool died = killed_in_child([&] {
      auto own = attaches ? open_in(bytes_, std::nullopt) : nullptr;
      Fault fault;
      stores_left = store;
      call_.run(own ? *own : *heap_, addresses_, fault);
    });
    caller_ = last_child;
    return died;
  }
  // Recovers the heap in a child. Returns true if the child is killed at its store number `store`.
  [[nodiscard]] bool dies_in_recovery(std::uint64_t store) {
    return killed_in_child([&] {
      Fault fault;
      stores_left = store;
      static_cast<void>(heap_->live_blocks(fault));
    });
  }

  // `deaths` processes have died inside a call.
  void expect_intact(std::uint64_t deaths) {
    const std::vector<BlockInfo> now = heap_->walk(fault_);
    ASSERT_FALSE(fault_) << sentence(fault_);
    const Findings findings = heap_->check(fault_);
    ASSERT_TRUE(findings.empty()) << findings.front().sentence;
    ASSERT_EQ(heap_->stats(fault_).recovered, deaths);
    for (std::size_t i = 0; i < blocks; ++i) expect_unchanged(i, now);
    Address end = heap_->options().unused();
    for (const BlockInfo& block : now) {
      EXPECT_EQ(block.start, end);
      end = block.start + block.extent;
    }
    EXPECT_EQ(end, heap_->size());
    expect_whole_or_none(std::ranges::count_if(now, &BlockInfo::live));
    expect_owned();
    expect_usable(now);
  }

 private:
  [[nodiscard]] shared::Superblock& superblock() const {
    return *std::bit_cast<shared::Superblock*>(bytes_.data());
  }
  static int stamp(std::size_t i) { return static_cast<int>(i + 1); }
  [[nodiscard]] std::byte* payload(Address address) const {
    return std::bit_cast<std::byte*>(heap_->address() + address);
  }
  static bool has(const std::vector<std::size_t>& some, std::size_t i) {
    return std::ranges::find(some, i) != some.end();
  }

  [[nodiscard]] std::ptrdiff_t owned_granules() const {
    const auto* const owners = std::bit_cast<const shared::Number*>(
        bytes_.data() + static_cast<std::ptrdiff_t>(superblock().fixed.owners_at));
    const std::span all(owners, heap_->size() / granule_size);
    return std::ranges::count_if(all, [](shared::Number owner) { return owner != 0; });
  }

  void expect_whole_or_none(std::ptrdiff_t live) const {
    const std::ptrdiff_t more = live - static_cast<std::ptrdiff_t>(blocks - call_.holes.size());
    EXPECT_TRUE(more == 0 || more == call_.more) << more << " blocks more";
  }

  // Returns true if a block was live there before the call.
  [[nodiscard]] bool is_old(Address address) const {
    const auto at = std::ranges::find(addresses_, address);
    return at != addresses_.end() &&
           !has(call_.holes, static_cast<std::size_t>(at - addresses_.begin()));
  }

  // A block is its allocator's: the child's if it is new or was resized; and no free one has an
  // owner.
  void expect_owned() {
    const std::vector<OwnedBlock> owned = heap_->owners(fault_);
    for (const OwnedBlock& one : owned) {
      const bool old = is_old(one.block.address);
      const bool resized = !call_.sizes.empty() && one.block.address == addresses_[4];
      const auto owner = static_cast<pid_t>(one.pid);
      EXPECT_TRUE((old && owner == getpid()) || ((!old || resized) && owner == caller_))
          << "the block at " << one.block.address << " is owned by " << owner;
    }
    EXPECT_EQ(owned_granules(), std::ssize(owned));
  }

  // Expects block i to be live, unless the call frees it, with all its bytes and an allowed size. A
  // block that a realloc has moved is the new one.
  void expect_unchanged(std::size_t i, const std::vector<BlockInfo>& now) {
    if (has(call_.holes, i)) return;
    const auto is_it = [&](const BlockInfo& b) { return b.live && b.address == addresses_[i]; };
    auto block = std::ranges::find_if(now, is_it);
    if (block == now.end() && has(call_.touched, i) && !call_.sizes.empty()) {
      block = std::ranges::find_if(
          now, [&](const BlockInfo& b) { return b.live && !is_old(b.address); });
    }
    if (block == now.end()) {
      EXPECT_TRUE(has(call_.touched, i) && call_.more < 0) << "Block " << i << " is gone.";
      return;
    }
    std::vector<Size> sizes = {size_of_each};
    if (has(call_.touched, i)) sizes.insert(sizes.end(), call_.sizes.begin(), call_.sizes.end());
    for (Size& size : sizes) size = reported_size(heap_->options(), size);
    EXPECT_NE(std::ranges::find(sizes, block->size), sizes.end())
        << "Block " << i << " has " << block->size << " bytes.";
    if (!heap_->has_bytes()) return;
    const std::byte* const from = payload(block->address);
    const auto whole = std::min(block->size, size_of_each);
    const auto same = std::count(from, from + whole, static_cast<std::byte>(stamp(i)));
    EXPECT_EQ(static_cast<Size>(same), whole) << "Block " << i << " was written to.";
  }

  // Every live block can be freed, and then the heap is as it was when fresh.
  void expect_usable(const std::vector<BlockInfo>& now) {
    const Address one = heap_->malloc(1, granule_size, fault_);
    heap_->free(one, fault_);
    for (const BlockInfo& block : now) {
      if (block.live) heap_->free(block.address, fault_);
    }
    ASSERT_FALSE(fault_) << sentence(fault_);
    EXPECT_EQ(heap_->live_blocks(fault_), 0U);
    EXPECT_EQ(owned_granules(), 0);
    if (coalesces_fully(heap_->options())) {
      EXPECT_EQ(heap_->free_list(fault_), first_list_);
    }
    static_cast<void>(heap_->malloc(heap_->largest_free(fault_), granule_size, fault_));
    EXPECT_FALSE(fault_) << sentence(fault_);
    EXPECT_TRUE(heap_->check(fault_).empty());
  }

  const Call& call_;
  SharedBytes bytes_;
  std::unique_ptr<SharedHeap> heap_;
  std::vector<FreeBlock> first_list_;
  Addresses addresses_;
  std::vector<std::byte> image_;
  pid_t caller_ = 0;  // the child that made the call
  Fault fault_;
};

// Heaps of offsets: a realloc that would have to move is refused. One for each way to coalesce.
std::vector<Variant> offset_variants() {
  std::vector<Variant> all;
  for (const char* const policy : {"first_fit", "quick_fit", "buddy"}) {
    Variant variant = variants_of::policy(policy);
    variant.name += "_offsets";
    variant.options.headers = false;
    variant.options.granule = granule_size;
    variant.options.size = 2 * page;
    all.push_back(variant);
  }
  return all;
}

// In a slow build every third one of each kind, and another third of each: all policies are among
// them.
std::vector<Variant> killed_variants() {
  std::vector<Variant> killed;
  std::size_t first = 0;
  for (std::vector<Variant>& kind :
       std::array{all_variants(), debug_variants(), offset_variants()}) {
    for (std::size_t i = slow_build ? first++ : 0; i < kind.size(); i += slow_build ? 3 : 1)
      killed.push_back(std::move(kind[i]));
  }
  return killed;
}

class KilledProcess : public ::testing::TestWithParam<Variant> {
 protected:
  // Tries every `step`-th store of each call, until dies(trials, store) counts less than
  // `most_deaths`: then a process has made fewer stores than that. Each variant begins at a store
  // of its own, so that the variants together try nearly all of them.
  static void for_each_store(std::uint64_t step, std::uint64_t most_deaths, auto dies) {
    for (const Call& call : tested_calls) {
      SCOPED_TRACE(call.name);
      Trials trials(GetParam().options, call);
      bool died = true;
      for (std::uint64_t store = first_store(step); died; store += step) {
        SCOPED_TRACE("store " + std::to_string(store));
        ASSERT_LT(store, 5000U);
        trials.restore();
        const std::uint64_t deaths = dies(trials, store);
        died = deaths == most_deaths;
        trials.expect_intact(deaths);
        if (HasFailure()) return;
      }
    }
  }

 private:
  static std::uint64_t first_store(std::uint64_t step) {
    return 1 + std::hash<std::string>{}(GetParam().name) % step;
  }
};
INSTANTIATE_TEST_SUITE_P(Policies, KilledProcess, ::testing::ValuesIn(killed_variants()),
                         [](const auto& variant) { return variant.param.name; });

TEST_P(KilledProcess, HasDoneItsCallAsAWholeOrNotAtAll) {
  for_each_store(scaled(1, 17), 1, [](Trials& trials, std::uint64_t store) -> std::uint64_t {
    return trials.dies_at(store, true) ? 1 : 0;
  });
}

// A forked child takes a number in its first call, which is not the plain one (plain_calls.hpp).
TEST_P(KilledProcess, HasDoneItsFirstCallAfterAForkAsAWholeOrNotAtAll) {
  for_each_store(scaled(3, 37), 1, [](Trials& trials, std::uint64_t store) -> std::uint64_t {
    return trials.dies_at(store, false) ? 1 : 0;
  });
}

// The process that recovers the heap is killed too.
TEST_P(KilledProcess, LosesNoMoreWhenRecoveryIsKilledToo) {
  for_each_store(scaled(3, 37), 2, [](Trials& trials, std::uint64_t store) -> std::uint64_t {
    EXPECT_TRUE(trials.dies_at(6, false));
    return trials.dies_in_recovery(store) ? 2 : 1;
  });
}

}  // namespace
}  // namespace glassheap
