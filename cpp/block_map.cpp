#include "glassheap/block_map.hpp"

#include <cstring>
#include <new>

namespace glassheap {

// calloc, because it gives large zeroed memory without touching it: the map of a region of
// gigabytes costs nothing until blocks stand there.
BlockMap::Words BlockMap::zeros(std::size_t words) noexcept {
  return Words(static_cast<Bitmap::Word*>(std::calloc(words, sizeof(Bitmap::Word))));
}

BlockMap::Words BlockMap::needed(Words words) {
  if (words == nullptr) throw std::bad_alloc();
  return words;
}

BlockMap::BlockMap(Size region_size)
    : top_(region_size),
      region_size_(region_size),
      words_(Bitmap::words_for(granule(region_size))),
      storage_(needed(zeros(2 * words_))),
      starts_(storage_.get(), granule(region_size)),
      free_(storage_.get() + words_, granule(region_size)) {}

void BlockMap::clear() noexcept {
  std::memset(storage_.get(), 0, 2 * words_ * sizeof(Bitmap::Word));
  top_ = region_size_;
  live_ = free_below_top_ = 0;
  empty_.reset();
}

void BlockMap::note_empty(Offset start) noexcept {
  if (empty_ == nullptr) empty_ = zeros(words_);
  if (empty_ != nullptr) Bitmap::set(empty_.get(), granule(start));
}

}  // namespace glassheap
