// Records of free blocks: a list of them against a std::vector, the nodes in the region that repeat
// it, a pool that runs out, and nodes that name a wrong record. Lists of whole heaps are compared
// with the model, and forged ones in forged_links_test.cpp.

#include "block/records.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/region.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

constexpr Size region_size = 4096;
constexpr Size extent = 32;

// Free blocks with live ones between them, so that each can be linked to any other.
class RecordsTest : public ::testing::TestWithParam<Size> {
 protected:
  RecordsTest() {
    map_.add_live({0, region_size});
    for (Offset at = 64; at < region_size; at += 64) {
      map_.add_live({at, region_size - at});
      map_.add_live({at + extent, region_size - at - extent});
      map_.make_free({at, extent});
      blocks_.push_back({at, extent});
    }
  }

  // Adds a block to the list behind `before` others.
  void insert(Block block, std::size_t before) {
    const auto record = records_.create();
    const auto prev = before == 0 ? Records::nil : number(before - 1);
    records_.link(record, block, prev, records_.next(prev));
    bytes_.write_size(block);
    if (records_.is_record(record)) {
      list_.insert(list_.begin() + static_cast<std::ptrdiff_t>(before), block);
    } else {
      unlisted_.push_back(block);
    }
  }
  void erase(std::size_t i) {
    const auto record = number(i);
    records_.unlink(record);
    records_.drop(record);
    list_.erase(list_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  [[nodiscard]] Records::Number number(std::size_t i) const {
    return bytes_.node(list_[i].start).record;
  }

  void expect_list() const {
    std::vector<Block> walked;
    EXPECT_TRUE(records_.walk(records_.next(Records::nil),
                              [&walked](Block block) { walked.push_back(block); }));
    EXPECT_EQ(walked, list_);
    for (std::size_t i = 0; i < list_.size(); ++i) {
      const Offset next = i + 1 < list_.size() ? list_[i + 1].start : nowhere;
      EXPECT_EQ(bytes_.node(list_[i].start).next, link_to(next));
    }
    Records::Number record = 0;
    for (const Block block : unlisted_) EXPECT_TRUE(records_.vet(block, record)) << block.start;
    EXPECT_EQ(records_.unlisted_blocks(), unlisted_.size());
  }

  Region region_ = Region::map(region_size, granule_size, 0);
  BlockBytes bytes_{{region_.data(), region_.size()}, Layout{}, 1};
  BlockMap map_{region_size};
  Records records_{bytes_, map_, GetParam()};
  std::vector<Block> blocks_, list_, unlisted_;
};
// Room for all, and for 15 of the 63 blocks.
INSTANTIATE_TEST_SUITE_P(Room, RecordsTest, ::testing::Values(63, 15));

TEST_P(RecordsTest, AreAListThatTheNodesRepeat) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = list_.size();
    if (random() % 3 != 0 && !blocks_.empty()) {
      insert(blocks_.back(), random() % (n + 1));
      blocks_.pop_back();
    } else if (n != 0) {
      const std::size_t i = random() % n;
      blocks_.push_back(list_[i]);
      erase(i);
    } else if (!unlisted_.empty()) {
      records_.drop(Records::nil);
      blocks_.push_back(unlisted_.back());
      unlisted_.pop_back();
    }
    expect_list();
  }
  EXPECT_EQ(unlisted_.empty(), GetParam() == 63);
}

// Whatever a node names, only its own record is taken for it; and the fault has the wrong field.
TEST_P(RecordsTest, AreNamedByTheNodesOfTheirBlocksAlone) {
  for (std::size_t i = 0; i < 10; ++i) insert(blocks_[i], i);
  for (const Block block : list_) {
    const node_t sound = bytes_.node(block.start);
    const Offset next = linked(sound.next);
    for (Records::Number other = 0; other < 100; ++other) {
      if (other == sound.record) continue;
      bytes_.write_links(block.start, sound.next, other);
      Records::Number record = 0;
      Fault fault;
      EXPECT_FALSE(records_.vet(block, record)) << other;
      records_.explain(block, fault);
      EXPECT_EQ(fault.rule, Rule::record);
      EXPECT_EQ(fault.expected, sound.record);
      EXPECT_EQ(fault.found, other);
    }
    bytes_.write_links(block.start, link_to(next), sound.record);
  }
  expect_list();
}

// The records of an earlier list are still in memory.
TEST_P(RecordsTest, OfAListBeforeAClearAreNotTaken) {
  for (std::size_t i = 0; i < 3; ++i) insert(blocks_[i], i);
  records_.clear();
  list_.clear();
  insert(blocks_[5], 0);
  Records::Number record = 0;
  EXPECT_FALSE(records_.vet(blocks_[1], record));
  EXPECT_TRUE(records_.vet(blocks_[5], record));
}

// A program that overwrites a link finds it as it left it: the list goes on without it.
TEST_P(RecordsTest, DoNotMendALinkThatWasOverwritten) {
  for (std::size_t i = 0; i < 3; ++i) insert(blocks_[i], i);
  bytes_.write_links(list_[0].start, 77, number(0));
  erase(1);
  EXPECT_EQ(bytes_.node(list_[0].start).next, 77U);
  EXPECT_EQ(records_.block(records_.next(number(0))), list_[1]);
}

}  // namespace
}  // namespace glassheap
