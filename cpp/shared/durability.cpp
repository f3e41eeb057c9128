#include "shared/durability.hpp"

#include <cstring>

namespace glassheap::shared {
namespace {

// A hash of whole words, a multiplication each. Not for secrets: it detects pages of another age.
class WordSum {
 public:
  void add(const std::byte* bytes, Size size) noexcept {
    for (Size at = 0; at + sizeof(std::uint64_t) <= size; at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes + at, sizeof word);
      add(word);
    }
  }
  void add(std::uint64_t word) noexcept {
    sum_ = (sum_ ^ word) * 0x9E3779B97F4A7C15U;
    sum_ ^= sum_ >> 32;
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return sum_; }

 private:
  std::uint64_t sum_ = 0xCBF29CE484222325U;
};

std::uint64_t sum_of(const Segment& segment) noexcept {
  const Superblock& block = superblock_of(segment);
  const FixedFields& fixed = segment.fixed();
  WordSum sum;
  for (const std::uint64_t word : {fixed.checksum, block.epoch, std::uint64_t{block.damaged}})
    sum.add(word);
  for (const std::uint64_t word : block.state.words) sum.add(word);
  sum.add(segment.data() + fixed.arrays_at, fixed.owners_at - fixed.arrays_at);
  return sum.value();
}

// The sequence number at the end of the call that runs now, or of the last one.
std::uint64_t next_even(std::uint64_t generation) noexcept {
  return (generation + 1) & ~std::uint64_t{1};
}

// In this order: a process that is killed in between leaves no mark with a wrong checksum.
void write_mark(const Segment& segment) noexcept {
  Superblock& block = superblock_of(segment);
  const std::uint64_t sum = sum_of(segment);
  block.flushed.generation.store(0);
  block.flushed.sum.store(sum);
  block.flushed.generation.store(next_even(block.generation.load()));
}

}  // namespace

bool flush(const Segment& segment, Fault& fault) {
  if (segment.is_memory()) return true;
  const FixedFields& fixed = segment.fixed();
  if (!segment.flush(fixed.owners_at, segment.size(), fault)) return false;
  if (!segment.flush(fixed.arrays_at, fixed.owners_at, fault)) return false;
  write_mark(segment);
  if (!segment.flush(0, fixed.arrays_at, fault)) return false;
  segment.flush_name();
  return true;
}

bool has_pages_of_one_age(const Segment& segment, Fault& fault) {
  const Superblock& block = superblock_of(segment);
  const std::uint64_t marked = block.flushed.generation.load();
  if (marked == 0 || marked != next_even(block.generation.load())) return true;
  const std::uint64_t sum = sum_of(segment);
  const std::uint64_t kept = block.flushed.sum.load();
  return sum == kept || refuse_image("flushed", fault, kept, sum);
}

void make_independent(Segment& copy, FixedFields fixed) noexcept {
  Superblock& block = superblock_of(copy);
  fixed.identity = Sealer().key();
  fixed.in_file = 1;
  fixed.checksum = checksum(fixed);
  block.fixed = fixed;
  copy.set_fixed(fixed);
  block.file = copy.file();
  block.last_writer = 0;
  block.generation.store(next_even(block.generation.load()));
}

}  // namespace glassheap::shared
