// A process is killed between any two stores of any call: whoever comes next finds a heap that is
// whole. No block is lost but the one in flight, and no byte of any other.

#include "crashing.hpp"
#include "printing.hpp"

namespace glassheap {

std::uint64_t stores_left = 0;

void crash_point() noexcept {
  if (stores_left != 0 && --stores_left == 0) kill(getpid(), SIGKILL);
}

namespace {

using Addresses = std::vector<Address>;

// A call, and the state in which it is made.
struct Call {
  const char* name;
  std::vector<std::size_t> holes;    // of the ten blocks of 100 bytes, these were freed before
  std::vector<std::size_t> touched;  // these are the call's own
  std::size_t allocates;             // blocks that it may leave behind
  std::vector<Size> sizes;           // that it may give a block that it touches
  void (*make)(SharedHeap&, const Addresses&);
};

inline void PrintTo(const Call& call, std::ostream* out) { *out << call.name; }

constexpr std::size_t blocks = 10;
constexpr Size size_of_each = 100;

template <Size size, Size align = granule_size>
void malloc_one(SharedHeap& heap, const Addresses& /*at*/) {
  Fault fault;
  heap.malloc(size, align, fault);
}
template <std::size_t which>
void free_one(SharedHeap& heap, const Addresses& at) {
  Fault fault;
  heap.free(at[which], fault);
}
template <Size size>
void realloc_one(SharedHeap& heap, const Addresses& at) {
  Fault fault;
  heap.realloc(at[4], size, granule_size, fault);
}
template <Size last>
void malloc_some(SharedHeap& heap, const Addresses& /*at*/) {
  Fault fault;
  const std::vector<Size> sizes = {10, 100, 300, 40, last};
  Addresses got(sizes.size());
  heap.malloc_many(sizes, got, fault);
}
void free_some(SharedHeap& heap, const Addresses& at) {
  Fault fault;
  Addresses some = {at[7], at[4], at[2], at[8], at[1]};
  heap.free_many(some, fault);
}
void reset(SharedHeap& heap, const Addresses& /*at*/) {
  Fault fault;
  heap.reset(fault);
}

const std::vector<Call> calls = {
    {"malloc_from_the_top", {}, {}, 1, {}, malloc_one<100>},
    {"malloc_all_of_a_hole", {3}, {}, 1, {}, malloc_one<100>},
    {"malloc_a_part_of_a_hole", {3, 4}, {}, 1, {}, malloc_one<40>},
    {"malloc_nothing", {3}, {}, 1, {}, malloc_one<0>},
    {"malloc_aligned", {3, 4, 5}, {}, 1, {}, malloc_one<40, 256>},
    {"free_alone", {}, {4}, 0, {}, free_one<4>},
    {"free_behind_a_hole", {3}, {4}, 0, {}, free_one<4>},
    {"free_before_a_hole", {5}, {4}, 0, {}, free_one<4>},
    {"free_between_holes", {3, 5}, {4}, 0, {}, free_one<4>},
    {"free_before_the_top", {8}, {9}, 0, {}, free_one<9>},
    {"realloc_to_the_same", {}, {4}, 0, {103}, realloc_one<103>},
    {"realloc_shrinks", {}, {4}, 0, {20}, realloc_one<20>},
    {"realloc_shrinks_before_a_hole", {5}, {4}, 0, {20}, realloc_one<20>},
    {"realloc_grows_into_a_hole", {5, 6}, {4}, 1, {180}, realloc_one<180>},
    {"realloc_takes_all_of_a_hole", {5}, {4}, 1, {228}, realloc_one<228>},
    {"realloc_moves", {3}, {4}, 1, {400}, realloc_one<400>},
    {"malloc_many", {3, 6}, {}, 5, {}, malloc_some<50>},
    {"malloc_many_in_vain", {3, 6}, {}, 5, {}, malloc_some<1 << 20>},
    {"free_many", {3}, {1, 2, 4, 7, 8}, 0, {}, free_some},
    {"reset", {3, 5}, {0, 1, 2, 4, 6, 7, 8, 9}, 0, {}, reset},
};

// A heap with the call's blocks, each full of bytes of its own, as often as it is asked for.
class Trials {
 public:
  Trials(const Options& options, const Call& call)
      : call_(call), bytes_(for_some_blocks), heap_(made_in(bytes_, options)) {
    first_list_ = heap_->free_list(fault_);
    for (std::size_t i = 0; i < blocks; ++i) {
      at_.push_back(heap_->malloc(size_of_each, granule_size, fault_));
      std::memset(payload(at_.back()), stamp(i), size_of_each);
    }
    for (const std::size_t i : call.holes) heap_->free(at_[i], fault_);
    EXPECT_FALSE(fault_) << sentence(fault_);
    superblock().last_writer = 0;  // so that whoever comes reads the numbers
    image_.assign(bytes_.data(), bytes_.data() + for_some_blocks);
  }

  // The heap as it was.
  void begin() {
    fault_ = {};
    std::ranges::copy(image_, bytes_.data());
  }

  // Whether a child is killed at its so-manieth store. It has the heap from its parent, or attaches
  // to it itself.
  [[nodiscard]] bool dies_at(std::uint64_t store, bool attaches) {
    return killed_in_a_child([&] {
      auto own = attaches ? attached_to(bytes_) : nullptr;
      stores_left = store;
      call_.make(own ? *own : *heap_, at_);
    });
  }
  // Whether a child is killed at its so-manieth store while it makes the heap whole.
  [[nodiscard]] bool dies_while_it_recovers(std::uint64_t store) {
    return killed_in_a_child([&] {
      Fault fault;
      stores_left = store;
      static_cast<void>(heap_->live_blocks(fault));
    });
  }

  void expect_whole() {
    const std::vector<BlockInfo> now = heap_->walk(fault_);
    ASSERT_FALSE(fault_) << sentence(fault_);
    const Findings findings = heap_->check(fault_);
    ASSERT_TRUE(findings.empty()) << sentence(findings.front());
    ASSERT_LE(heap_->stats(fault_).recovered, 2U);
    expect_all_covered(now);
    std::size_t known = 0;
    for (std::size_t i = 0; i < blocks; ++i) known += is_as_it_was(i, now) ? 1 : 0;
    std::size_t live = 0;
    for (const BlockInfo& block : now) live += block.live ? 1 : 0;
    EXPECT_LE(known, live);
    EXPECT_LE(live, known + call_.allocates);
    expect_it_serves(now);
  }

 private:
  [[nodiscard]] shared::Superblock& superblock() const {
    return *std::bit_cast<shared::Superblock*>(bytes_.data());
  }
  static int stamp(std::size_t i) { return static_cast<int>(i + 1); }
  [[nodiscard]] std::byte* payload(Address address) const {
    return std::bit_cast<std::byte*>(heap_->address() + address);
  }
  [[nodiscard]] bool is_touched(std::size_t i) const {
    return std::ranges::find(call_.touched, i) != call_.touched.end();
  }
  [[nodiscard]] bool is_hole(std::size_t i) const {
    return std::ranges::find(call_.holes, i) != call_.holes.end();
  }

  void expect_all_covered(const std::vector<BlockInfo>& now) {
    Address end = heap_->options().unused();
    for (const BlockInfo& block : now) {
      EXPECT_EQ(block.start, end);
      end = block.start + block.extent;
    }
    EXPECT_EQ(end, heap_->size());
  }

  // Whether the i-th block is there: with all of its bytes, and of a size that it may have.
  bool is_as_it_was(std::size_t i, const std::vector<BlockInfo>& now) {
    if (is_hole(i)) return false;
    const auto block = std::ranges::find_if(
        now, [&](const BlockInfo& b) { return b.live && b.address == at_[i]; });
    if (block == now.end()) {
      EXPECT_TRUE(is_touched(i)) << "Block " << i << " is gone.";
      return false;
    }
    std::vector<Size> sizes = {size_of_each};
    if (is_touched(i)) sizes.insert(sizes.end(), call_.sizes.begin(), call_.sizes.end());
    for (Size& size : sizes) size = shown_size(heap_->options(), size);
    EXPECT_NE(std::ranges::find(sizes, block->size), sizes.end())
        << "Block " << i << " has " << block->size << " bytes.";
    expect_stamped(i, block->size);
    return true;
  }
  void expect_stamped(std::size_t i, Size size) {
    const std::byte* const from = payload(at_[i]);
    const auto whole = std::min(size, size_of_each);
    const auto same = std::count(from, from + whole, static_cast<std::byte>(stamp(i)));
    EXPECT_EQ(static_cast<Size>(same), whole) << "Block " << i << " was written to.";
  }

  // All that is there can be freed, and then the heap is as it was at first.
  void expect_it_serves(const std::vector<BlockInfo>& now) {
    const Address one = heap_->malloc(1, granule_size, fault_);
    heap_->free(one, fault_);
    for (const BlockInfo& block : now) {
      if (block.live) heap_->free(block.address, fault_);
    }
    ASSERT_FALSE(fault_) << sentence(fault_);
    EXPECT_EQ(heap_->live_blocks(fault_), 0U);
    if (joins_back(heap_->options())) {
      EXPECT_EQ(heap_->free_list(fault_), first_list_);
    }
    EXPECT_NE(heap_->malloc(heap_->largest_free(fault_), granule_size, fault_), 0U);
    EXPECT_TRUE(heap_->check(fault_).empty());
  }

  const Call& call_;
  SharedBytes bytes_;
  std::unique_ptr<SharedHeap> heap_;
  std::vector<FreeBlock> first_list_;
  Addresses at_;
  std::vector<std::byte> image_;
  Fault fault_;
};

std::vector<Variant> everything() {
  std::vector<Variant> all = all_variants();
  for (Variant& variant : watched_variants()) all.push_back(std::move(variant));
  return all;
}

class KilledIn : public ::testing::TestWithParam<Variant> {};
INSTANTIATE_TEST_SUITE_P(AnyCall, KilledIn, ::testing::ValuesIn(everything()),
                         [](const auto& variant) { return variant.param.name; });

TEST_P(KilledIn, LosesNoBlockButItsOwn) {
  for (const Call& call : calls) {
    SCOPED_TRACE(call.name);
    Trials trials(GetParam().options, call);
    bool died = true;
    for (std::uint64_t store = 1; died; ++store) {
      SCOPED_TRACE("store " + std::to_string(store));
      ASSERT_LT(store, 5000U);
      trials.begin();
      died = trials.dies_at(store, store % 4 == 0);
      trials.expect_whole();
      if (HasFailure()) return;
    }
  }
}

// The one who clears up is killed too.
TEST_P(KilledIn, LosesNoMoreWhenTheNextIsKilledWhileItRecovers) {
  for (const Call& call : calls) {
    SCOPED_TRACE(call.name);
    Trials trials(GetParam().options, call);
    bool died = true;
    for (std::uint64_t store = 1; died; store += 3) {
      SCOPED_TRACE("stores 6 and " + std::to_string(store));
      trials.begin();
      ASSERT_TRUE(trials.dies_at(6, false));
      died = trials.dies_while_it_recovers(store);
      trials.expect_whole();
      if (HasFailure()) return;
    }
  }
}

// --- Blocks that several hold on to. -----------------------------------------------------------

// Killed while it shares, receives or lets go: the other holder still has the block, and when that
// one lets go and the dead are reaped, it is free, and the table is empty.
class KilledWhileItHolds : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(heap_->acquire(100, granule_size, handle_, fault_));
    ASSERT_TRUE(heap_->acquire(100, granule_size, other_, fault_));
    ASSERT_TRUE(heap_->share(handle_, fault_)) << "the hold of this process";
  }

  // What the child does, and is killed at.
  void work(std::uint64_t store) {
    bool freed = false;
    Fault fault;
    const std::uint8_t parent = heap_->number();
    stores_left = store;
    switch (GetParam()) {
      case 0:
        heap_->share(handle_, fault);
        heap_->share(other_, fault);
        heap_->drop_ref(other_, freed, fault);
        break;
      case 1:
        heap_->share(handle_, fault);
        heap_->drop_ref(handle_, freed, fault);
        break;
      case 2:
        heap_->share(handle_, fault);
        heap_->transfer_ref(handle_, parent, fault);
        break;
      default:
        heap_->reap(fault);
    }
  }
  Size holders_of(const Handle& handle) {
    for (const OwnedBlock& owned : heap_->owners(fault_)) {
      if (owned.block.address == handle.address) return owned.holders;
    }
    return 0;
  }

  SharedBytes bytes_{for_some_blocks};
  std::unique_ptr<SharedHeap> heap_ = made_in(bytes_, Options{});
  Handle handle_;
  Handle other_;
  Fault fault_;
};
INSTANTIATE_TEST_SUITE_P(AnyStore, KilledWhileItHolds, ::testing::Range(0, 4));

TEST_P(KilledWhileItHolds, LeavesATableThatIsTrue) {
  bool died = true;
  for (std::uint64_t store = 1; died; ++store) {
    SCOPED_TRACE("store " + std::to_string(store));
    ASSERT_LT(store, 500U);
    died = killed_in_a_child([&] { work(store); });
    ASSERT_TRUE(heap_->check(fault_).empty());
    const bool given_away = GetParam() == 2 && holders_of(handle_) == 0;
    ASSERT_TRUE(given_away || holders_of(handle_) >= 1);
    heap_->reap(fault_);
    ASSERT_EQ(fault_.kind, FaultKind::none) << sentence(fault_);
    if (holders_of(handle_) == 0) {  // its only holder was the child
      ASSERT_EQ(GetParam(), 2);
      return;
    }
    ASSERT_EQ(holders_of(handle_), 1U);
    if (holders_of(other_) != 0 || !heap_->is_current(other_, fault_)) {
      ASSERT_EQ(GetParam(), 0);
      fault_ = {};
      ASSERT_EQ(holders_of(other_), 0U);
      ASSERT_TRUE(heap_->acquire(100, granule_size, other_, fault_));
    }
  }
  bool freed = false;
  EXPECT_TRUE(heap_->drop_ref(handle_, freed, fault_));
  EXPECT_TRUE(freed);
  EXPECT_EQ(std::bit_cast<shared::Superblock*>(bytes_.data())->holds, 0U);
}

}  // namespace
}  // namespace glassheap
