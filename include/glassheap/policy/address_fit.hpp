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
  // The slot in the lowest free block from `from` upwards that can serve the request. A block may
  // be large enough, and yet not hold the payload as aligned as it must be.
  [[nodiscard]] Slot first_slot(Offset from, const Request& request) const noexcept {
    while (const Block block = this->index_.first(from, request.extent)) {
      if (const Slot slot = this->slot_in(block, request)) return slot;
      from = block.start + granule_size;
    }
    return this->slot_in(this->map_.top(), request);
  }
};

}  // namespace glassheap
