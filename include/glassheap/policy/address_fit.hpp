// address_fit.hpp: the lowest free block from some place upwards that fits; what first fit and next
// fit share.
#pragma once

#include "glassheap/policy/address_list.hpp"
#include "glassheap/policy/chunk_index.hpp"

namespace glassheap {

template <typename Self>
class AddressFit : public AddressList<Self, ChunkIndex> {
 public:
  using AddressList<Self, ChunkIndex>::AddressList;

 protected:
  // The lowest free block from `from` upwards that can serve the request; none if there is none. A
  // block may be large enough, and yet not hold the payload as aligned as it must be.
  [[nodiscard]] Block lowest(Offset from, const Request& request) const noexcept {
    while (const Block block = this->index_.first(from, request.extent)) {
      if (this->serves(block, request)) return block;
      from = block.start + granule_size;
    }
    return this->serves(this->map_.top(), request) ? this->map_.top() : Block{};
  }
};

}  // namespace glassheap
