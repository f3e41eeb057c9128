// Lists in free blocks against a vector: every way to link and unlink, and the walk of a list that
// has been overwritten.

#include "block/links.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/region.hpp"
#include "printing.hpp"
#include "scale.hpp"

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
      blocks_of_list_.push_back({at, 32});
    }
    for (const Block block : blocks_of_list_) map_.make_free(block);
  }

  [[nodiscard]] Block any_of(std::vector<Block>& from) {
    std::swap(from[random_() % from.size()], from.back());
    const Block block = from.back();
    from.pop_back();
    return block;
  }
  [[nodiscard]] std::vector<Block> walked() const {
    std::vector<Block> list;
    links_.walk(ends_, [&list](Block block) { list.push_back(block); });
    return list;
  }
  void push_all() {
    for (const Block block : blocks_of_list_) links_.push_back(ends_, block);
  }
  void write(Block block, Offset next, Offset prev) {
    bytes_.set_next(block.start, next);
    bytes_.set_prev(block.start, prev);
  }

  Region region_ = Region::map(size, granule_size, 0);
  BlockBytes bytes_{{region_.data(), region_.size()}, Layout{}, 1};
  BlockMap map_{size};
  Links<Top::listed> links_{bytes_, map_};
  ListEnds ends_;
  std::vector<Block> blocks_of_list_;
  std::mt19937 random_{1};
};

TEST_F(LinksTest, AgreeWithAVectorThroughEveryKindOfChange) {
  std::vector<Block> list;
  std::vector<Block> rest = blocks_of_list_;
  for (int change = 0; change < scaled(20000, 2000); ++change) {
    const auto place = static_cast<std::ptrdiff_t>(random_() % (list.size() + 1));
    const auto choice = random_() % 5;
    if (choice == 0 && !rest.empty()) {
      list.insert(list.begin(), any_of(rest));
      links_.push_front(ends_, list.front());
    } else if (choice == 1 && !rest.empty()) {
      list.push_back(any_of(rest));
      links_.push_back(ends_, list.back());
    } else if (choice == 2 && !rest.empty()) {
      const Offset next = place < std::ssize(list) ? list[place].start : nowhere;
      const Offset prev = place > 0 ? list[place - 1].start : nowhere;
      const Block block = any_of(rest);
      list.insert(list.begin() + place, block);
      links_.insert(ends_, block, prev, next);
    } else if (place < std::ssize(list) && (choice == 3 || rest.empty())) {
      rest.push_back(list[place]);
      links_.erase(ends_, list[place]);
      list.erase(list.begin() + place);
    } else if (place < std::ssize(list) && choice == 4) {
      const Block now = any_of(rest);
      rest.push_back(list[place]);
      links_.replace(ends_, list[place], now);
      list[place] = now;
    }
    ASSERT_EQ(walked(), list) << change;
    ASSERT_EQ(ends_.empty(), list.empty());
  }
}

TEST_F(LinksTest, RelinkABlockWhoseNodeStillNamesItsNeighbours) {
  push_all();
  const auto list = walked();
  for (const Block block : list) {
    const header_t front = bytes_.save(block.start);
    links_.erase(ends_, block);
    bytes_.restore(block.start, front);
    links_.relink(ends_, block);
    ASSERT_EQ(walked(), list);
  }
}

// A walk visits the blocks before the damage, and ends.
TEST_F(LinksTest, AreWalkedUpToTheDamage) {
  push_all();
  const auto list = walked();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const header_t front = bytes_.save(list[i].start);
    write(list[i], list[0].start, list[0].start);
    const auto seen = walked();
    EXPECT_LE(seen.size(), i);
    EXPECT_TRUE(std::equal(seen.begin(), seen.end(), list.begin()));
    bytes_.restore(list[i].start, front);
  }
}

// If one node is overwritten, the fault names that node, whichever is vetted: the node itself or
// one of its neighbours.
TEST_F(LinksTest, NameTheOverwrittenNode) {
  push_all();
  const auto list = walked();
  for (std::size_t i = 1; i + 1 < list.size(); ++i) {
    for (const Offset wrong :
         {Offset{0}, Offset{16}, list[i].start, size - 16, size, nowhere - 16}) {
      const header_t front = bytes_.save(list[i].start);
      i % 2 == 0 ? bytes_.set_next(list[i].start, wrong) : bytes_.set_prev(list[i].start, wrong);
      for (const std::size_t asked : {i, i % 2 == 0 ? i + 1 : i - 1}) {
        Fault fault;
        ASSERT_FALSE(links_.vet(ends_, list[asked], fault));
        EXPECT_EQ(fault.offset, list[i].start) << wrong;
        EXPECT_EQ(fault.rule, i % 2 == 0 ? Rule::next : Rule::prev);
        EXPECT_EQ(fault.expected, list[i % 2 == 0 ? i + 1 : i - 1].start / 16);
        EXPECT_EQ(fault.found, link_to(wrong));
      }
      bytes_.restore(list[i].start, front);
    }
  }
}

// A node that links to itself both ways is not its own neighbour: its true links are found from the
// nodes that link to it.
TEST_F(LinksTest, NameTheTrueNeighbourOfANodeThatLinksToItself) {
  push_all();
  const auto list = walked();
  for (std::size_t i = 1; i + 1 < list.size(); ++i) {
    const header_t front = bytes_.save(list[i].start);
    write(list[i], list[i].start, list[i].start);
    Fault fault;
    ASSERT_FALSE(links_.vet(ends_, list[i], fault));
    EXPECT_EQ(fault.offset, list[i].start);
    EXPECT_EQ(fault.rule, Rule::next);
    EXPECT_EQ(fault.expected, link_to(list[i + 1].start));
    EXPECT_EQ(fault.found, link_to(list[i].start));
    bytes_.restore(list[i].start, front);
  }
}

// The tail has no next block. So if it links to one, in whatever state that is, the tail is wrong.
TEST_F(LinksTest, NameATailThatHasANextBlock) {
  push_all();
  const auto list = walked();
  const Offset tail = list.back().start;
  bytes_.set_next(tail, list[2].start);
  bytes_.set_prev(list[2].start, size - 16);
  Fault fault;
  ASSERT_FALSE(links_.vet(ends_, list.back(), fault));
  EXPECT_EQ(fault.offset, tail);
  EXPECT_EQ(fault.rule, Rule::next);
  EXPECT_EQ(fault.expected, GLASSHEAP_NIL);
  EXPECT_EQ(fault.found, link_to(list[2].start));
}

// In a list that excludes the top, a link to the top is not sound.
TEST_F(LinksTest, ToAnExcludedTopAreNotSound) {
  const Block top{size - 32, 32};
  const Block last = blocks_of_list_.back();
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
