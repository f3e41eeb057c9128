// Lists in free blocks that have been overwritten: the walk ends, and the fault names the wrong
// field of the wrong node. Sound lists are compared with the model, forged ones with more heaps
// in forged_links_test.cpp.

#include "block/links.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/region.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

// Free blocks with live ones between them, so that each can be linked to any other.
class LinksTest : public ::testing::Test {
 protected:
  static constexpr Size size = 4096;

  LinksTest() {
    map_.add_live({0, size});
    for (Offset at = 64; at < size; at += 64) {
      map_.add_live({at, size - at});
      map_.add_live({at + 32, size - at - 32});
      map_.make_free({at, 32});
      links_.push_back(ends_, {at, 32});
      list_.push_back({at, 32});
    }
  }

  [[nodiscard]] std::vector<Block> walked() const {
    std::vector<Block> list;
    links_.walk(ends_, [&list](Block block) { list.push_back(block); });
    return list;
  }
  void write(Block block, Offset next, Offset prev) {
    bytes_.set_next(block.start, next);
    bytes_.set_prev(block.start, prev);
  }
  // Vets the node of a block. Expects the fault to name this link of this node.
  void expect_named(Block vetted, Block node, Rule rule, Offset expected, Offset found) const {
    Fault fault;
    ASSERT_FALSE(links_.vet(ends_, vetted, fault));
    EXPECT_EQ(fault.offset, node.start) << found;
    EXPECT_EQ(fault.rule, rule);
    EXPECT_EQ(fault.expected, link_to(expected));
    EXPECT_EQ(fault.found, link_to(found));
  }

  Region region_ = Region::map(size, granule_size, 0);
  BlockBytes bytes_{{region_.data(), region_.size()}, Layout{}, 1};
  BlockMap map_{size};
  Links<Top::listed> links_{bytes_, map_};
  ListEnds ends_;
  std::vector<Block> list_;
};

// A walk visits the blocks before the damage, and ends.
TEST_F(LinksTest, AreWalkedUpToTheDamage) {
  ASSERT_EQ(walked(), list_);
  for (std::size_t i = 0; i < list_.size(); ++i) {
    const header_t front = bytes_.save(list_[i].start);
    write(list_[i], list_[0].start, list_[0].start);
    const auto seen = walked();
    EXPECT_LE(seen.size(), i);
    EXPECT_TRUE(std::equal(seen.begin(), seen.end(), list_.begin()));
    bytes_.restore(list_[i].start, front);
  }
}

// If one node is overwritten, the fault names that node, whichever is vetted: the node itself or
// one of its neighbours.
TEST_F(LinksTest, NameTheOverwrittenNode) {
  for (std::size_t i = 1; i + 1 < list_.size(); ++i) {
    for (const Offset wrong :
         {Offset{0}, Offset{16}, list_[i].start, size - 16, size, nowhere - 16}) {
      const header_t front = bytes_.save(list_[i].start);
      const bool next = i % 2 == 0;
      const Block neighbour = list_[next ? i + 1 : i - 1];
      next ? bytes_.set_next(list_[i].start, wrong) : bytes_.set_prev(list_[i].start, wrong);
      for (const Block vetted : {list_[i], neighbour})
        expect_named(vetted, list_[i], next ? Rule::next : Rule::prev, neighbour.start, wrong);
      bytes_.restore(list_[i].start, front);
    }
  }
}

// A node that links to itself both ways is not its own neighbour: its true links are found from the
// nodes that link to it.
TEST_F(LinksTest, NameTheTrueNeighbourOfANodeThatLinksToItself) {
  for (std::size_t i = 1; i + 1 < list_.size(); ++i) {
    const header_t front = bytes_.save(list_[i].start);
    write(list_[i], list_[i].start, list_[i].start);
    expect_named(list_[i], list_[i], Rule::next, list_[i + 1].start, list_[i].start);
    bytes_.restore(list_[i].start, front);
  }
}

// The tail has no next block. So if it links to one, in whatever state that is, the tail is wrong.
TEST_F(LinksTest, NameATailThatHasANextBlock) {
  bytes_.set_next(list_.back().start, list_[2].start);
  bytes_.set_prev(list_[2].start, size - 16);
  expect_named(list_.back(), list_.back(), Rule::next, nowhere, list_[2].start);
}

// In a list that excludes the top, a link to the top is not sound.
TEST_F(LinksTest, ToAnExcludedTopAreNotSound) {
  const Block top{size - 32, 32};
  const Block last = list_.back();
  ASSERT_EQ(last.end(), top.start);
  map_.make_free(top);
  const Links<Top::excluded> excluded(bytes_, map_);
  bytes_.write_node(last, top.start, nowhere);
  bytes_.write_node(top, nowhere, last.start);
  const ListEnds with_top{link_to(last.start), link_to(top.start)};
  EXPECT_TRUE(links_.is_sound(with_top, last));
  EXPECT_FALSE(excluded.is_sound(with_top, last));
}

}  // namespace
}  // namespace glassheap
