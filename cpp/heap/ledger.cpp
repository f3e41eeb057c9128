#include "heap/ledger.hpp"

namespace glassheap {

// A payload of no bytes at the end of the region starts one granule behind its last.
Ledger::Ledger(Size size, bool multithreaded)
    : tags(multithreaded),
      places_(size / granule_size + 1),
      began_(read_clock()),
      entries_(make_zeroed<std::uint64_t>(places_)) {
  if (entries_ == nullptr) throw std::bad_alloc();
}

Size Ledger::own_memory() const noexcept {
  return sizeof *this + places_ * sizeof(std::uint64_t) + tags.own_memory();
}

}  // namespace glassheap
