// One word of a segment is overwritten, anywhere but in the fixed fields: another process that then
// makes any calls neither crashes nor hangs, and is handed no memory outside the region.
//
//     STRAY_WRITES=1000 stray_writes_test        so many writes in each of 84 tests
//     STRAY_TRIAL=17 stray_writes_test --gtest_filter=...      one trial, in this process

#include "stray_calls.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "block/block_map.hpp"
#include "limits.hpp"
#include "printing.hpp"
#include "variants.hpp"

namespace glassheap {
namespace {

constexpr Size segment_bytes = 640 << 10;
constexpr int calls_of_a_trial = 24;
constexpr unsigned patience = 10;  // seconds for a trial

long from_environment(const char* name, long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtol(text, nullptr, 10);
}

std::vector<Variant> attacked_variants() {
  std::vector<Variant> all = all_variants();
  for (Variant& variant : debug_variants()) all.push_back(std::move(variant));
  return all;
}

// Bytes that are shared across a fork.
class Mapped {
 public:
  explicit Mapped(Size size)
      : size_(size),
        data_(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (data_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Mapped() { munmap(data_, size_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  Size size_;
  void* data_;
};

// A heap with live and free blocks of many sizes, some of them held, and its image.
class StrayWrites : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    how_.location.data = bytes_.data();
    how_.location.size = segment_bytes;
    how_.timeout = 0.001;  // a lock word that names a living process is waited for
    for (int tries = 0; heap_ == nullptr && tries < 100; ++tries)  // a busy machine may need some
      heap_ = SharedHeap::create(GetParam().options, how_, fault_ = {});
    ASSERT_NE(heap_, nullptr) << sentence(fault_);
    fill();
    ASSERT_FALSE(fault_) << sentence(fault_);
    superblock().last_writer = 0;  // so that each trial reads the state
    image_.assign(bytes_.data(), bytes_.data() + segment_bytes);
  }

  void fill() {
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < 240; ++i) {
      Handle handle;
      const Size size = i % 16 == 0 ? random() % 8000 : random() % 400;
      heap_->acquire(size, granule_size, handle, fault_);
      blocks_.push_back(handle.address);
      if (i % 8 == 0) handles_.push_back(handle);
      if (i % 16 == 0) heap_->share(handle, fault_);
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      if (i % 8 != 0 && random() % 2 == 0) heap_->free(blocks_[i], fault_);
    }
  }

  [[nodiscard]] shared::Superblock& superblock() const {
    return *std::bit_cast<shared::Superblock*>(bytes_.data());
  }

  using Number = std::uint32_t;
  [[nodiscard]] Number& number_at(Size place) const {
    return *std::bit_cast<Number*>(bytes_.data() + place);
  }

  // Where the arrays of the policy begin: behind those of the block map.
  [[nodiscard]] Size behind_the_map() const {
    const BlockMap map(heap_->size(), ArrayArena::to_measure());
    return superblock().fixed.arrays_at + map.arena().taken();
  }

  // --- One trial. -------------------------------------------------------------------------------

  // The place of a word: every part of the segment is as likely. Not the fixed fields, which are
  // read once.
  [[nodiscard]] Size draw_place(std::mt19937_64& random) const {
    const shared::FixedFields& fixed = superblock().fixed;
    const Size parts[][2] = {
        {offsetof(shared::Superblock, published), fixed.arrays_at},
        {offsetof(shared::Superblock, published), offsetof(shared::Superblock, processes)},
        {fixed.arrays_at, fixed.owners_at},
        {fixed.arrays_at, fixed.arrays_at + (fixed.owners_at - fixed.arrays_at) / 4},
        {fixed.owners_at, fixed.region_at},
        {fixed.region_at, fixed.total}};
    const auto& [from, to] = parts[random() % std::size(parts)];
    return (from + 7 + random() % (to - from - 7)) / 8 * 8;
  }

  // Any number, a small one, one with another bit, an offset, or two links.
  [[nodiscard]] std::uint64_t draw_value(std::uint64_t old, std::mt19937_64& random) const {
    const std::uint64_t granule = random() % (heap_->size() / granule_size + 2);
    switch (random() % 6) {
      case 0:
        return random();
      case 1:
        return random() % 16 - random() % 2;
      case 2:
        return granule * granule_size;
      case 3:
        return granule << 32 | random() % (heap_->size() / granule_size);
      case 4:
        return old + random() % 64 - 32;
      default:
        return old ^ std::uint64_t{1} << random() % 64;
    }
  }
  void write_somewhere(std::mt19937_64& random) const {
    const std::atomic_ref word(*std::bit_cast<std::uint64_t*>(bytes_.data() + draw_place(random)));
    word.store(draw_value(word.load(), random));
  }

  // Returns true if the calls handed out memory of the region alone.
  [[nodiscard]] bool survive(StrayCalls& calls, long trial) const {
    std::mt19937_64 random(static_cast<std::uint64_t>(trial));
    std::ranges::copy(image_, bytes_.data());
    write_somewhere(random);
    calls.make(random(), calls_of_a_trial);
    return !calls.misdirected();
  }

  // --- Many trials, in child processes. ----------------------------------------------------------

  [[nodiscard]] std::atomic<long>& trial() const {
    return *std::bit_cast<std::atomic<long>*>(progress_.data());
  }

  // Runs trials up to `end` in a child, from trial() on. Returns its status.
  int run_in_child(long end, bool beside_a_writer) {
    const pid_t child = fork();
    if (child == 0) run(end, beside_a_writer);
    int status = 0;
    waitpid(child, &status, 0);
    return status;
  }
  [[noreturn]] void run(long end, bool beside_a_writer) {
    std::ranges::copy(image_, bytes_.data());  // an earlier child may have left damage
    StrayCalls calls(*heap_, how_.location, blocks_, handles_);
    std::jthread writer;
    if (beside_a_writer)
      writer = std::jthread([this](const std::stop_token& stop) {
        for (std::mt19937_64 random(9); !stop.stop_requested();) write_somewhere(random);
      });
    try {
      for (; trial() < end; ++trial()) {
        alarm(patience);
        if (!survive(calls, trial())) _exit(3);
      }
    } catch (const std::exception& error) {
      std::fputs(error.what(), stderr);
      _exit(4);  // no other test must run in this process
    }
    _exit(0);
  }

  void attack(bool beside_a_writer) {
    const long end = from_environment("STRAY_WRITES", scaled(20, 3));
    if (const long one = from_environment("STRAY_TRIAL", -1); one >= 0) {
      StrayCalls calls(*heap_, how_.location, blocks_, handles_);
      EXPECT_TRUE(survive(calls, one));
      return;
    }
    for (trial() = 0; trial() < end; ++trial()) {
      const int status = run_in_child(end, beside_a_writer);
      if (trial() == end) break;
      ADD_FAILURE() << "trial " << trial() << ": "
                    << (WIFSIGNALED(status)        ? strsignal(WTERMSIG(status))
                        : WEXITSTATUS(status) == 3 ? "memory outside of the region"
                                                   : "an exception");
    }
  }

  Mapped bytes_{segment_bytes};
  Mapped progress_{shared::page};
  SharedHeap::Opening how_;
  std::unique_ptr<SharedHeap> heap_;
  std::vector<Address> blocks_;
  std::vector<Handle> handles_;
  std::vector<std::byte> image_;
  Fault fault_;
};
INSTANTIATE_TEST_SUITE_P(Policies, StrayWrites, ::testing::ValuesIn(attacked_variants()),
                         [](const auto& variant) { return variant.param.name; });

TEST_P(StrayWrites, BetweenCallsHarmNoProcess) { attack(false); }
TEST_P(StrayWrites, DuringCallsHarmNoProcess) { attack(true); }

// The first word of the state is the start of the top.
TEST_P(StrayWrites, ToTheStateMakeTheHeapDamaged) {
  for (const std::uint64_t top : {Offset{8}, heap_->size() + 16, nowhere, ~Offset{0}}) {
    std::ranges::copy(image_, bytes_.data());
    superblock().state.words.front() = top;
    fault_ = {};
    EXPECT_EQ(heap_->malloc(1, granule_size, fault_), 0U);
    EXPECT_EQ(fault_.kind, FaultKind::heap_damaged);
    fault_ = {};
    EXPECT_TRUE(heap_->reset(fault_));
    EXPECT_NE(heap_->malloc(1, granule_size, fault_), 0U);
  }
}

// Each number of the policy that may lead to a free block leads to another one. No request is then
// served by a block that is too small for it. The block map is as it was: it decides.
TEST_P(StrayWrites, ToLinksOfferNoBlockThatIsTooSmall) {
  constexpr Number most = 120;  // free blocks
  constexpr Size step = sizeof(Number) * scaled(1, 3);
  const Size owners_at = superblock().fixed.owners_at;
  for (Size at = behind_the_map(); at < owners_at; at += step) {
    const Number old = number_at(at);
    if (old == 0 || old >= most) continue;
    for (const Number other : {old / 2, old + 1, old * 3 % most}) {
      std::ranges::copy(image_, bytes_.data());
      number_at(at) = other;
      for (const Size size : {Size{1}, Size{100}, Size{300}, Size{2000}}) {
        const Address got = heap_->malloc(size, granule_size, fault_ = {});
        ASSERT_TRUE(got == 0 || heap_->usable_size(got, fault_) >= size) << at << ": " << other;
      }
    }
  }
}

// They lie in the segment, so a sum may be anything; what is reported fits into the region.
TEST_P(StrayWrites, ToTheCountersAreHarmless) {
  for (const Size sum : {Size{0}, heap_->size() + 1, ~Size{0}}) {
    std::ranges::copy(image_, bytes_.data());
    Counters& counters = superblock().counters;
    counters.requested = counters.taken = counters.peak_requested = counters.peak_used = sum;
    const Stats stats = heap_->stats(fault_);
    EXPECT_LE(stats.requested + stats.overhead, heap_->size());
    EXPECT_LE(stats.available, heap_->size());
    EXPECT_LE(stats.peak_requested, heap_->size());
    EXPECT_LE(stats.peak_used, heap_->size());
    EXPECT_NE(heap_->malloc(1, granule_size, fault_), 0U) << sentence(fault_);
  }
}

}  // namespace
}  // namespace glassheap
