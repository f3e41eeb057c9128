#include "shared/mending.hpp"

#include "check/renewal.hpp"

namespace glassheap::shared {
namespace {

BlockBytes block_bytes(const Segment& segment, const Layout& layout) {
  const FixedFields& fixed = segment.fixed();
  const bool filled = fixed.redzones != 0 && fixed.zero_on_free == 0;
  const std::byte fill{filled ? std::uint8_t{GLASSHEAP_FREED} : std::uint8_t{0}};
  return {region_of(segment).subspan(options_of(fixed).unused()), layout, fixed.block_magic, fill,
          &fixed.key};
}

// A block map that failed once may be right: then it was a redzone that was broken.
bool mend_redzones(CoreInterface& core, BlockBytes& bytes, const Intent& in_flight, Fault& fault) {
  if (bytes.layout.has_headers()) {
    renew_by_headers(bytes);
    return core.salvage(fault);
  }
  if (fault.rule != Rule::redzone) return false;
  renew_by_map(bytes, core.map());
  return core.rebuild(in_flight, fault);
}

}  // namespace

bool mend(CoreInterface& core, const Segment& segment, const Intent& in_flight, Fault& fault) {
  BlockBytes bytes = block_bytes(segment, core.layout());
  const bool redzones = bytes.layout.has_redzones();
  bool whole = core.rebuild(in_flight, fault);
  if (!whole) whole = redzones ? mend_redzones(core, bytes, in_flight, fault) : core.salvage(fault);
  if (whole) fault = {};
  if (whole && redzones) refill(bytes, core.map());
  return whole;
}

}  // namespace glassheap::shared
