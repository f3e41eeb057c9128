#include "heap/offset_calls.hpp"

#include "heap/heap_state.hpp"

namespace glassheap {
namespace {

HeapState& state_of(FrontLine& front) noexcept { return static_cast<HeapState&>(front); }

Address malloc_not_done(FrontLine& /*front*/, Size /*size*/, Fault& fault) noexcept {
  fault.kind = FaultKind::none;
  return 0;
}
bool free_not_done(FrontLine& /*front*/, Address /*payload*/, Fault& fault) noexcept {
  fault.kind = FaultKind::none;
  return false;
}

Address malloc_aligned(FrontLine& front, Size size, Fault& fault) noexcept {
  return state_of(front).malloc(size, front.default_align, fault);
}

// A payload at 0 is told from a refusal by its fault.
Address malloc_offset(FrontLine& front, Size size, Fault& fault) noexcept {
  const HeapState& heap = state_of(front);
  const Size need = heap.addresses.units().to_core(size);
  if (const Address inner = heap.fast->malloc(front, need, fault)) [[likely]] {
    const Address payload = heap.addresses.address_of(inner - offset_origin);
    if (payload == 0) [[unlikely]]
      fault.kind = FaultKind::none;
    return payload;
  }
  return fault ? 0 : malloc_aligned(front, size, fault);
}

bool free_offset(FrontLine& front, Address payload, Fault& fault) noexcept {
  HeapState& heap = state_of(front);
  const Address inner = heap.addresses.offset_of(payload) + offset_origin;
  if (heap.fast->free(front, inner, fault)) [[likely]]
    return true;
  return !fault && heap.free(payload, fault);
}

constexpr FrontCalls plain_calls{.malloc = malloc_offset, .free = free_offset};
// The fast pair aligns to a granule.
constexpr FrontCalls aligned_calls{.malloc = malloc_aligned, .free = free_offset};

}  // namespace

const FrontCalls calls_not_done{.malloc = malloc_not_done, .free = free_not_done};

const FrontCalls& offset_calls(const Options& options) noexcept {
  return options.align.value_or(0) > options.granule.value_or(granule_size) ? aligned_calls
                                                                            : plain_calls;
}

}  // namespace glassheap
