// Options::record: the file has each call as the caller made it, in the order of the heap, and an
// equal heap that makes these calls hands out the same addresses.
// tests/python/test_recorded_heap.py has tags, threads, forks, and what the system refuses.

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "every_policy.hpp"
#include "glassheap/announcement.hpp"
#include "limits.hpp"
#include "recorded_file.hpp"

namespace glassheap {
namespace {

using trace::Event;
using trace::EventKind;

// A file that is removed.
class TemporaryPath {
 public:
  TemporaryPath()
      : path_(std::filesystem::temp_directory_path() /
              ("glassheap-recorded-" + std::to_string(getpid()))) {}
  ~TemporaryPath() { std::filesystem::remove(path_); }
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;

  [[nodiscard]] std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::unique_ptr<Heap> open(const Options& options) {
  Fault fault;
  std::unique_ptr<Heap> heap = Heap::open(options, fault);
  if (heap == nullptr) throw std::runtime_error(sentence(fault));
  return heap;
}

// What is known of a call before and after it; the time and the thread are left out.
std::string described(const Event& event) {
  std::string text;
  for (const std::uint64_t number : {std::uint64_t{static_cast<unsigned>(event.kind)},
                                     event.address, event.result, event.size, event.align})
    text += std::to_string(number) + " ";
  return text;
}

std::vector<std::string> described(const std::vector<Event>& events) {
  std::vector<std::string> all;
  for (const Event& event : events) all.push_back(described(event));
  return all;
}

// Makes random calls of every kind, and notes what a recording must have.
class Program {
 public:
  // A batch of which a size is refused has allocated those before it, and the blocks of a batch leave
  // the quarantine together. Calls one by one cannot do that: `full_batches` if it may happen.
  Program(Heap& heap, bool full_batches) : heap_(heap), full_batches_(full_batches) {}

  void step() {
    switch (live_.empty() ? 0 : random_() % 10) {
      case 0:
      case 1:
        return malloc();
      case 2:
        return acquire();
      case 3:
        return heap_.has_bytes() ? calloc() : malloc();
      case 4:
      case 5:
        return realloc();
      case 6:
        return malloc_many();
      case 7:
        return free_many();
      case 8:
        return misuse();
      default:
        return free();
    }
  }
  void reset() {
    EXPECT_TRUE(heap_.reset(fault_ = {}));
    resets.push_back(calls.size());
    live_.clear();
  }

  std::vector<Event> calls;
  std::vector<std::size_t> resets;

 private:
  [[nodiscard]] Size size() { return random_() % 40 == 0 ? heap_.size() : random_() % 600; }
  // The alignment to ask for, and as a recording has it.
  [[nodiscard]] Size align() {
    return random_() % 3 == 0 ? heap_.granule() << random_() % 4 : heap_.default_align();
  }
  [[nodiscard]] Size noted(Size align) const { return align == heap_.default_align() ? 0 : align; }
  Address pick() { return live_[random_() % live_.size()]; }
  void drop(Address payload) { std::erase(live_, payload); }

  void allocated(Address payload, Size size, Size align) {
    EXPECT_TRUE(!fault_ || fault_.kind == FaultKind::out_of_memory) << sentence(fault_);
    if (!fault_) live_.push_back(payload);
    calls.push_back({.kind = fault_ ? EventKind::failed_malloc : EventKind::malloc,
                     .address = fault_ ? 0 : payload,
                     .size = size,
                     .align = noted(align)});
  }
  void malloc() {
    const Size wanted = size();
    const Size multiple = align();
    allocated(heap_.malloc(wanted, multiple, fault_ = {}), wanted, multiple);
  }
  void calloc() {
    const Size wanted = size() / 4;
    allocated(heap_.calloc(wanted, 3, fault_ = {}), 3 * wanted, heap_.default_align());
  }
  void acquire() {
    const Size wanted = size();
    const Size multiple = align();
    Handle handle;
    heap_.acquire(wanted, multiple, handle, fault_ = {});
    allocated(handle.address, wanted, multiple);
  }
  void malloc_many() {
    const Size room = heap_.largest_free(fault_ = {});
    if (!full_batches_ && room < 8 * std::max(heap_.granule(), Size{128})) return malloc();
    const std::vector<Size> sizes{random_() % 100, random_() % 100, random_() % 100};
    std::vector<Address> addresses(sizes.size());
    if (heap_.malloc_many(sizes, addresses, fault_ = {})) {
      for (std::size_t i = 0; i < sizes.size(); ++i)
        allocated(addresses[i], sizes[i], heap_.default_align());
    } else {
      for (std::size_t i = 0; i < fault_.index; ++i)
        calls.push_back({.kind = EventKind::failed_part, .size = sizes[i]});
      allocated(0, sizes[fault_.index], heap_.default_align());
    }
  }
  void realloc() {
    const Address from = pick();
    const Size wanted = size();
    const Size multiple = align();
    const auto move = [](Address, Address, Size) {};
    const Address to = heap_.has_bytes() ? heap_.realloc(from, wanted, multiple, fault_ = {})
                                         : heap_.realloc(from, wanted, multiple, move, fault_ = {});
    if (!fault_) std::ranges::replace(live_, from, to);
    calls.push_back({.kind = fault_ ? EventKind::failed_realloc : EventKind::realloc,
                     .address = from,
                     .result = fault_ ? 0 : to,
                     .size = wanted,
                     .align = noted(multiple)});
  }
  void free() {
    const Address payload = pick();
    ASSERT_TRUE(heap_.free(payload, fault_ = {})) << sentence(fault_);
    freed(payload);
  }
  void free_many() {
    const bool alone = !full_batches_ && heap_.options().quarantine != 0;
    std::vector<Address> some(live_.begin(),
                              live_.begin() + (alone ? 1 : std::ssize(live_) / 8 + 1));
    std::vector<Address> in_order = some;
    ASSERT_TRUE(heap_.free_many(some, fault_ = {})) << sentence(fault_);
    if (heap_.options().quarantine == 0) std::ranges::sort(in_order, std::greater());
    for (const Address payload : in_order) freed(payload);
  }
  void freed(Address payload) {
    drop(payload);
    calls.push_back({.kind = EventKind::free, .address = payload});
  }
  // What is refused for another reason than memory is no call.
  void misuse() {
    const Address payload = pick();
    heap_.malloc(10, 3, fault_ = {});
    EXPECT_EQ(fault_.kind, FaultKind::invalid_alignment);
    if (std::ranges::count(live_, payload + 1) != 0) return;  // the granule is a byte
    EXPECT_FALSE(heap_.free(payload + 1, fault_ = {}));
    heap_.realloc(payload + 1, 10, heap_.granule(), fault_ = {});
    EXPECT_TRUE(fault_);
  }

  Heap& heap_;
  bool full_batches_;
  std::mt19937 random_{1};
  std::vector<Address> live_;
  Fault fault_;
};

// Makes the calls of a recording on another heap. Returns false at the first other result.
bool makes_again(Heap& heap, const RecordedFile& file) {
  Fault fault;
  std::size_t at = 0;
  const auto move = [](Address, Address, Size) {};
  for (const Event& event : file.events) {
    if (std::ranges::count(file.resets, at++) != 0) heap.reset(fault);
    const Size align = event.align == 0 ? heap.default_align() : event.align;
    fault = {};
    Address found = 0;
    if (event.kind == EventKind::free) {
      if (!heap.free(event.address, fault)) return false;
    } else if (event.kind == EventKind::malloc || event.kind == EventKind::failed_malloc) {
      found = heap.malloc(event.size, align, fault);
    } else {
      found = heap.has_bytes() ? heap.realloc(event.address, event.size, align, fault)
                               : heap.realloc(event.address, event.size, align, move, fault);
    }
    if (event.kind == EventKind::malloc && found != event.address) return false;
    if (event.kind == EventKind::realloc && found != event.result) return false;
    if (event.kind >= EventKind::failed_malloc && !fault) return false;
  }
  return true;
}

// --- Every heap. -------------------------------------------------------------------------------

std::vector<Variant> recorded_variants() {
  std::vector<Variant> all = all_variants();
  for (const Variant& variant : debug_variants()) all.push_back(variant);
  for (const std::string_view name : policy_names()) {
    for (const Size granule : {Size{1}, Size{16}, Size{4096}}) {
      Variant variant{std::string(name) + "_offsets_" + std::to_string(granule), {}};
      variant.options.policy = name;
      variant.options.granule = granule;
      all.push_back(variant);
    }
  }
  Variant aligned{"offsets_aligned", {}};
  aligned.options.granule = 16;
  aligned.options.align = 64;
  all.push_back(aligned);
  Variant waiting{"quarantine", {}};
  waiting.options.checks = Checks::debug;
  waiting.options.quarantine = 2000;
  all.push_back(waiting);
  return all;
}

class Recorded : public EveryPolicy {
 protected:
  [[nodiscard]] Options options_to(const TemporaryPath& path) const {
    const Size granule = GetParam().options.granule.value_or(1);
    Options wanted = options(Size{1} << 14);
    wanted.size = std::max(wanted.size, 64 * granule);
    wanted.record = path.string();
    return wanted;
  }
};
GLASSHEAP_FOR_VARIANTS(Recorded, recorded_variants());

TEST_P(Recorded, EachCallIsThereInTheOrderOfTheHeap) {
  const TemporaryPath path;
  const std::unique_ptr<Heap> heap = open(options_to(path));
  Program program(*heap, true);
  for (int i = 0; i < scaled(1500, 200); ++i) {
    program.step();
    if (i % 700 == 699) program.reset();
  }
  const RecordedFile file = read_recorded(path.string());
  EXPECT_EQ(described(file.events), described(program.calls));
  EXPECT_EQ(file.resets, program.resets);
}

TEST_P(Recorded, AnEqualHeapHandsOutTheSameAddresses) {
  const TemporaryPath path;
  Options options = options_to(path);
  const std::unique_ptr<Heap> heap = open(options);
  Program program(*heap, false);
  for (int i = 0; i < scaled(1500, 200); ++i) program.step();
  options.record.reset();
  if (heap->has_bytes()) options.base = heap->base();
  EXPECT_TRUE(makes_again(*open(options), read_recorded(path.string())));
}

// --- One heap. ---------------------------------------------------------------------------------

Options recorded(Size size, const TemporaryPath& path) {
  Options options = sized(size);
  options.record = path.string();
  return options;
}

TEST(RecordedHeap, IsDescribedByFacts) {
  const TemporaryPath path;
  Options options = recorded(4096, path);
  options.policy = "sequential_fit";
  options.order = Order::size_down;
  options.base = 0x1000;
  const std::unique_ptr<Heap> heap = open(options);
  const std::vector<std::string> facts = read_recorded(path.string()).facts;
  EXPECT_EQ(facts, (std::vector<std::string>{"recorder=heap", "heap=Heap", "size=4096",
                                             "policy=sequential_fit", "order=size-", "granule=16",
                                             "headers=true", "base=4096", "checks=robust"}));
}

TEST(RecordedHeap, ARequestHasTheTagThatWasAnnouncedAlsoIfItFails) {
  const TemporaryPath path;
  const std::unique_ptr<Heap> heap = open(recorded(4096, path));
  Fault fault;
  Address tagged = 0;
  {
    const Tag tag(*heap, "request-17");
    const Announcement announced(*heap, tag.id());
    tag.put_on(tagged = heap->malloc(100, fault));
    heap->malloc(5000, fault);
    const Announcement nested(*heap, TagId{0});
    heap->malloc(100, fault);
  }
  heap->malloc(100, fault);
  heap->realloc(tagged, 200, granule_size, fault);  // keeps its tag
  EXPECT_EQ(read_recorded(path.string()).tags,
            (std::vector<std::string>{"request-17", "request-17", "", "", "request-17"}));
}

// The numbers of tags that no block has are given to others.
TEST(RecordedHeap, TagsAreToldApartForEver) {
  const TemporaryPath path;
  const std::unique_ptr<Heap> heap = open(recorded(4096, path));
  Fault fault;
  std::vector<std::string> expected;
  for (int i = 0; i < 5000; ++i) {
    const Tag tag(*heap, expected.emplace_back("request-" + std::to_string(i)));
    const Announcement announced(*heap, tag.id());
    const Address payload = heap->malloc(16, fault);
    tag.put_on(payload);
    heap->free(payload, fault);
    expected.emplace_back();
  }
  EXPECT_EQ(read_recorded(path.string()).tags, expected);
}

TEST(RecordedHeap, ABatchThatFailsHasItsSizesUpToTheOneThatFailed) {
  const TemporaryPath path;
  const std::unique_ptr<Heap> heap = open(recorded(4096, path));
  Fault fault;
  const std::vector<Size> sizes{1000, 2000, 3000, 8};
  std::vector<Address> addresses(sizes.size());
  EXPECT_FALSE(heap->malloc_many(sizes, addresses, fault));
  {
    const Announcement tries(*heap, Announcement::Attempt{});
    EXPECT_FALSE(heap->malloc_many(sizes, addresses, fault = {}));
  }
  const std::vector<Event> expected{{.kind = EventKind::failed_part, .size = 1000},
                                    {.kind = EventKind::failed_part, .size = 2000},
                                    {.kind = EventKind::failed_malloc, .size = 3000}};
  EXPECT_EQ(described(read_recorded(path.string()).events), described(expected));
}

TEST(RecordedHeap, AttemptsAreNoFailures) {
  const TemporaryPath path;
  const std::unique_ptr<Heap> heap = open(recorded(4096, path));
  Fault fault;
  {
    const Announcement tries(*heap, Announcement::Attempt{});
    EXPECT_EQ(heap->malloc(5000, fault), 0U);
  }
  heap->malloc(4000, fault = {});
  EXPECT_EQ(heap->malloc_within(0.05, 4000, granule_size, fault), 0U);
  const std::vector<Event> events = read_recorded(path.string()).events;
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].kind, EventKind::failed_malloc);
}

TEST(RecordedHeap, AMoveThatIsGivenUpIsNoCall) {
  const TemporaryPath path;
  Options options = recorded(4096, path);
  options.granule = 16;
  const std::unique_ptr<Heap> heap = open(options);
  Fault fault;
  const Address first = heap->malloc(16, fault);
  heap->malloc(16, fault);
  const auto give_up = [](Address, Address, Size) { throw std::runtime_error("no"); };
  EXPECT_THROW(heap->realloc(first, 100, 16, give_up, fault), std::runtime_error);
  EXPECT_EQ(read_recorded(path.string()).events.size(), 2U);
}

TEST(RecordedHeap, EndsWithTheHeap) {
  const TemporaryPath path;
  const std::unique_ptr<Heap> heap = open(recorded(4096, path));
  Fault fault;
  EXPECT_EQ(Heap::open(recorded(4096, path), fault), nullptr);
  EXPECT_EQ(fault.system_error, EBUSY);
  heap->malloc(100, fault = {});
  ASSERT_TRUE(heap->close(fault));
  EXPECT_EQ(read_recorded(path.string()).events.size(), 1U);
  EXPECT_NE(Heap::open(recorded(4096, path), fault), nullptr) << "it no longer has the file";
}

TEST(RecordedHeap, AForkLeavesAloneWhatHasEnded) {
  const TemporaryPath path;
  open(recorded(4096, path)).reset();
  const pid_t child = fork();
  if (child == 0) _exit(0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(RecordedHeap, LeavesNoFileBehindIfItIsRefused) {
  const TemporaryPath path;
  Options options = recorded(4096, path);
  options.thread_cache = true;
  Fault fault;
  EXPECT_EQ(Heap::open(options, fault), nullptr);
  EXPECT_EQ(fault.kind, FaultKind::unwanted_option);
  EXPECT_FALSE(std::filesystem::exists(path.string()));
}

}  // namespace
}  // namespace glassheap
