// The index of best fit against a set in order of size and address: small and large blocks, in
// regions of one chunk and of many. random_test.cpp compares whole heaps with the model.

#include "policy/size_index.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "limits.hpp"
#include "printing.hpp"

namespace glassheap {
namespace {

struct BySize {
  bool operator()(Block a, Block b) const {
    return a.extent != b.extent ? a.extent < b.extent : a.start < b.start;
  }
};

// A region full of blocks, of which any may be free but the last; their index, and the same as a
// set.
class CheckedIndex {
 public:
  CheckedIndex(Size size, std::mt19937& random) : map_(size), index_(map_) {
    Block block{0, 0};
    for (; block.end() < size; blocks_.push_back(block)) {
      const Size granules = 1 + random() % (random() % 8 == 0 ? 200 : 70);
      block = {block.end(), std::min(granules * granule_size, size - block.end())};
      map_.add_live(block);
    }
  }

  void change(std::mt19937& random) {
    if (blocks_.size() == 1) return;
    const Block block = blocks_[random() % (blocks_.size() - 1)];
    if (free_.erase(block) == 1) {
      map_.make_live(block);
      index_.remove(block);
    } else {
      free_.insert(block);
      map_.make_free(block);
      index_.add(block);
    }
  }
  void clear() {
    for (const Block block : free_) map_.make_live(block);
    free_.clear();
    index_.clear();
  }

  void expect_same_from(Block key) const {
    const auto next = free_.lower_bound(key);
    ASSERT_EQ(index_.first(key), next == free_.end() ? Block{} : *next) << key.extent;
    ASSERT_EQ(index_.largest(), free_.empty() ? 0 : free_.rbegin()->extent);
  }
  [[nodiscard]] Block draw(std::mt19937& random) const {
    return blocks_[random() % blocks_.size()];
  }

 private:
  BlockMap map_;
  SizeIndex index_;
  std::vector<Block> blocks_;
  std::set<Block, BySize> free_;
};

TEST(SizeIndex, AgreesWithASet) {
  std::mt19937 random(1);
  for (const Size kib : {1U, 2U, 3U, 64U, 127U, 1000U, 9000U}) {
    CheckedIndex checked(kib << 10, random);
    for (int round = 0; round < scaled(5000, 500); ++round) {
      checked.change(random);
      const Block block = checked.draw(random);
      const Block other = checked.draw(random);
      for (const Block key : {block, Block{0, block.extent}, Block{other.start, block.extent},
                              Block{block.start + granule_size, block.extent}})
        ASSERT_NO_FATAL_FAILURE(checked.expect_same_from(key)) << kib << " KiB, " << round;
      if (round == 300) checked.clear();
    }
  }
}

}  // namespace
}  // namespace glassheap
