// The tags of blocks, in C++: a Tag holds a text, the ledger has an entry for each block, and reports
// join the two. tests/python/test_tags.py compares reports with a model.

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "every_policy.hpp"
#include "heap/ledger.hpp"

namespace glassheap {
namespace {

using Growth = TagTable::Growth;

std::optional<std::string> text_of(const TagTable& table, TagId id) {
  std::vector<std::optional<std::string>> texts(std::size_t{id} + 1);
  texts[id].emplace();
  table.look_up(texts);
  return texts[id];
}

// --- The table of texts. -----------------------------------------------------------------------

TEST(TagTable, KeepsATextOnce) {
  TagTable table(true);
  const TagId one = table.hold("one", Growth::any);
  const TagId two = table.hold("two", Growth::any);
  EXPECT_NE(one, two);
  EXPECT_EQ(table.hold("one", Growth::any), one);
  EXPECT_EQ(text_of(table, one), "one");
  EXPECT_EQ(text_of(table, two), "two");
}

TEST(TagTable, DropsWhatNobodyHoldsAndNoBlockHas) {
  TagTable table(true);
  const TagId held = table.hold("held", Growth::any);
  const TagId used = table.hold("used", Growth::any);
  const TagId gone = table.hold("gone", Growth::any);
  table.drop(used);
  table.drop(gone);
  std::vector<bool> in_use(4);
  in_use[used] = true;
  table.drop_unused(in_use);
  EXPECT_EQ(text_of(table, held), "held");
  EXPECT_EQ(text_of(table, used), "used");
  EXPECT_EQ(table.hold("next", Growth::any), gone);
  EXPECT_EQ(text_of(table, gone), "next");
}

// Whoever asks at the limit drops the unused ones, and asks again.
TEST(TagTable, HasALimitThatFollowsWhatIsUsed) {
  TagTable table(true);
  std::size_t made = 0;
  while (table.hold("tag " + std::to_string(made), Growth::up_to_limit) != 0) ++made;
  EXPECT_EQ(made, 1024U);
  const Size before = table.own_memory();
  table.drop_unused({});  // all are held
  EXPECT_EQ(table.own_memory(), before);
  while (table.hold("tag " + std::to_string(made), Growth::up_to_limit) != 0) ++made;
  EXPECT_EQ(made, 2048U);
  for (TagId id = 1; id <= made; ++id) table.drop(id);
  table.drop_unused({});
  EXPECT_LT(table.own_memory(), before);
  EXPECT_NE(table.hold("tag", Growth::up_to_limit), 0U);
}

// --- The ledger. -------------------------------------------------------------------------------

// A block of no bytes at the end of the region has its payload behind the last granule.
TEST(Ledger, HasAPlaceForEveryPayload) {
  Ledger ledger(1024, true);
  for (Offset payload = 0; payload <= 1024; payload += granule_size)
    ledger.set_tag(payload, static_cast<TagId>(payload + 1));
  for (Offset payload = 0; payload <= 1024; payload += granule_size)
    EXPECT_EQ(ledger.read(payload).tag, payload + 1);
  ledger.set_tag(1040, 7);  // no block can be there: nothing happens
  EXPECT_EQ(ledger.read(1040).tag, 0U);
}

// --- Heaps. ------------------------------------------------------------------------------------

class Owners : public EveryPolicy {
 protected:
  [[nodiscard]] std::unique_ptr<Heap> open(bool tags) {
    Options wanted = options(Size{1} << 16);
    wanted.tags = tags;
    return Heap::open(wanted, fault_);
  }
  Address malloc(Heap& heap, Size size) { return heap.malloc(size, granule_size, fault_); }
  std::vector<std::string> tags(Heap& heap) {
    std::vector<std::string> texts;
    for (const TagUsage& usage : heap.by_tag(fault_))
      texts.push_back(usage.tag.value_or("-") + " " + std::to_string(usage.blocks));
    return texts;
  }

  Fault fault_;
};
GLASSHEAP_FOR_EVERY(Owners);
using Texts = std::vector<std::string>;

TEST_P(Owners, AreThoseOfTheLiveBlock) {
  const std::unique_ptr<Heap> heap = open(true);
  const Address first = malloc(*heap, 300);
  const Address behind = malloc(*heap, 16);  // so that the first block has to move
  {
    const Tag tag(*heap, "mine");
    tag.put_on(first);
  }
  const Address moved = heap->realloc(first, 3000, granule_size, fault_);
  EXPECT_NE(moved, first);
  EXPECT_EQ(tags(*heap), (Texts{"mine 1", "- 1"}));
  heap->free(behind, fault_);
  heap->free(moved, fault_);
  EXPECT_EQ(tags(*heap), Texts{});
  malloc(*heap, 300);  // where the first one was, or the other
  malloc(*heap, 3000);
  EXPECT_EQ(tags(*heap), Texts{"- 2"});
}

TEST_P(Owners, AreUnknownOfBlocksFromBefore) {
  const std::unique_ptr<Heap> heap = open(false);
  const Size before = heap->own_memory(fault_);
  malloc(*heap, 100);
  EXPECT_EQ(tags(*heap), Texts{"- 1"});
  EXPECT_LT(heap->own_memory(fault_), before + 1024);  // records of free blocks
  const Tag tag(*heap, "later");
  tag.put_on(malloc(*heap, 200));
  tag.put_on(0);  // of a refused call
  EXPECT_EQ(tags(*heap), (Texts{"later 1", "- 1"}));
  EXPECT_GE(heap->own_memory(fault_), before + heap->size() / 2);
}

TEST_P(Owners, OfABatchAreAsOldAsTheCall) {
  const std::unique_ptr<Heap> heap = open(true);
  const std::array<Size, 3> sizes{10, 20, 30};
  std::array<Address, 3> payloads{};
  ASSERT_TRUE(heap->malloc_many(sizes, payloads, fault_));
  const std::vector<TagUsage> usages = heap->by_tag(fault_);
  ASSERT_EQ(usages.size(), 1U);
  EXPECT_EQ(usages[0].oldest, usages[0].newest);
  EXPECT_EQ(heap->oldest(2, fault_).size(), 2U);
}

// A block that a handle was acquired for, one that was cleared, and one that was aligned.
TEST_P(Owners, AreNotedByEveryCallThatAllocates) {
  const std::unique_ptr<Heap> heap = open(true);
  const Tag tag(*heap, "old");
  const auto all = [&] {
    Handle handle;
    heap->acquire(100, granule_size, handle, fault_);
    return std::array{handle.address, heap->calloc(1, 100, fault_), malloc(*heap, 100),
                      heap->malloc(100, 64, fault_), heap->realloc(0, 100, granule_size, fault_)};
  };
  for (const Address payload : all()) tag.put_on(payload);
  EXPECT_EQ(tags(*heap), Texts{"old 5"});
  heap->reset(fault_);
  all();
  EXPECT_EQ(tags(*heap), Texts{"- 5"});
}

// --- Threads. ----------------------------------------------------------------------------------

// Each thread allocates with a tag of its own while another one reads; the ledger begins meanwhile.
class OwnersInThreads : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Cached, OwnersInThreads, testing::Bool());

void allocate_with_tags(Heap& heap, int number) {
  Fault fault;
  for (int i = 0; i < 500; ++i) {
    const Tag tag(heap, "thread " + std::to_string(number));
    const Tag passing(heap, std::to_string(number * 1000 + i));
    tag.put_on(heap.malloc(16, granule_size, fault));
    heap.free(heap.malloc(16, granule_size, fault), fault);
  }
}

TEST_P(OwnersInThreads, KeepTheirOwnTags) {
  Options options = sized(Size{1} << 20);
  options.thread_cache = GetParam();
  Fault fault;
  const std::unique_ptr<Heap> heap = Heap::open(options, fault);
  {
    std::vector<std::jthread> threads;
    for (int number = 0; number < 3; ++number)
      threads.emplace_back([&heap, number] { allocate_with_tags(*heap, number); });
    Fault unread;
    for (int i = 0; i < 50; ++i) EXPECT_LE(heap->by_tag(unread).size(), 4U);
  }
  std::multiset<Size> blocks;
  for (const TagUsage& usage : heap->by_tag(fault)) blocks.insert(usage.blocks);
  EXPECT_EQ(blocks, (std::multiset<Size>{500, 500, 500}));
}

// --- Refusals. ---------------------------------------------------------------------------------

TEST(Refusals, AreCountedByReason) {
  Options options = sized(1024);
  Fault fault;
  const std::unique_ptr<Heap> heap = Heap::open(options, fault);
  Handle handle;
  heap->malloc(2000, granule_size, fault = {});
  heap->acquire(16, granule_size, handle, fault = {});
  heap->free(handle.address, fault = {});
  heap->free(handle.address, fault = {});
  heap->release(handle, fault = {});
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [reason, count] : heap->refusals(fault)) counts[reason] = count;
  EXPECT_EQ(counts, (std::map<std::string, std::uint64_t>{
                        {"exhausted", 1}, {"fragmented", 0}, {"alignment", 0}, {"DoubleFree", 1}}));
}

}  // namespace
}  // namespace glassheap
