// size_fit.hpp: the first of the blocks of one size that fits; what best fit and worst fit share.
#pragma once

#include "glassheap/policy/address_list.hpp"
#include "glassheap/policy/size_index.hpp"

namespace glassheap {

template <typename Self>
class SizeFit : public AddressList<Self, SizeIndex> {
 public:
  using AddressList<Self, SizeIndex>::AddressList;

 protected:
  // The lowest block of exactly `extent` bytes that can serve the request; none if there is none.
  // Only where an alignment is asked for can a block be large enough, and yet not serve.
  [[nodiscard]] Block lowest_of_size(Size extent, const Request& request) const noexcept {
    Block block = this->index_.first(0, extent);
    while (block && !this->serves(block, request))
      block = this->index_.first(block.start + granule_size, extent);
    return block;
  }
  // The top, if it can serve the request; none otherwise.
  [[nodiscard]] Block top_for(const Request& request) const noexcept {
    return this->serves(this->map_.top(), request) ? this->map_.top() : Block{};
  }
};

}  // namespace glassheap
