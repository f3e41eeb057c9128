#include "glassheap/block_map.hpp"

namespace glassheap {

BlockMap::BlockMap(Size region_size)
    : top_(region_size),
      region_size_(region_size),
      words_(Bitmap::words_for(granule(region_size))),
      storage_(needed(zeros<Bitmap::Word>(2 * words_))),
      starts_(storage_.get(), granule(region_size)),
      free_(storage_.get() + words_, granule(region_size)) {}

void BlockMap::clear() noexcept {
  glassheap::clear(storage_, 2 * words_);
  top_ = region_size_;
  live_ = free_below_top_ = 0;
  empty_.reset();
}

void BlockMap::note_empty(Offset start) noexcept {
  if (empty_ == nullptr) empty_ = zeros<Bitmap::Word>(words_);
  if (empty_ != nullptr) Bitmap::set(empty_.get(), granule(start));
}

}  // namespace glassheap
