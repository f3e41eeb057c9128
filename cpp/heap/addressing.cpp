#include "heap/addressing.hpp"

#include <algorithm>
#include <bit>

namespace glassheap {
namespace {

// An alignment must hold for the caller's address and for the real one. The two differ by a
// multiple of it.
Size common_align_limit(Address real, Address base, Size size) noexcept {
  const Address difference = real - base;
  const Size limit = Addressing::largest_align(size);
  return difference == 0 ? limit : std::min(limit, difference & (~difference + 1));
}

}  // namespace

Size Addressing::largest_align(Size size) noexcept {
  return std::max(granule_size, std::bit_floor(size / 4));
}

Size Addressing::align_within(Size size) noexcept {
  constexpr Size cache_line = 64;  // what arrays of NumPy ask for
  constexpr Size page = 4096;
  const Size wanted = std::max(std::min(cache_line, size / 16), std::min(page, size / 64));
  return std::max(granule_size, std::bit_floor(wanted));
}

Addressing::Addressing(const Options& options, const Region& region) noexcept
    : units_(units_of(options)),
      has_bytes_(!options.granule),
      size_(units_.to_caller(region.size())),
      front_(options.headers ? granule_size : 0),
      unused_(options.unused()),
      real_(std::bit_cast<Address>(region.data())),
      base_(options.base.value_or(has_bytes_ ? real_ : 0)),
      align_limit_(has_bytes_ ? common_align_limit(real_, base_, size_)
                              : units_.to_caller(largest_align(region.size()))),
      origin_(base_ + unused_) {}

bool Addressing::check_other_align(Size& align, Fault& fault) const noexcept {
  if (!is_power_of_two(align) || align > align_limit_) {
    fault = {.kind = FaultKind::invalid_alignment,
             .granule_bits = units_.bits(),
             .argument = align,
             .maximum = align_limit_,
             .expected = has_bytes_ ? largest_align(size_) : align_limit_};
    return false;
  }
  align = units_.align_to_core(align);
  return true;
}

}  // namespace glassheap
