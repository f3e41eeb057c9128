#include "check/recovery.hpp"

namespace glassheap {
namespace {

// The recorded range if it is valid, otherwise no block: a damaged image may hold any numbers.
Block recorded_range(const Intent& in_flight, Size region) noexcept {
  const bool whole = in_flight.start % granule_size == 0 && in_flight.end % granule_size == 0;
  if (!whole || in_flight.end > region || in_flight.start >= in_flight.end) return {};
  return {in_flight.start, in_flight.end - in_flight.start};
}

// Adds the part of the range that was to be kept, and the rest as the orphan.
void add_recorded_range(RecoveredBlocks& recovered, Block range, const Intent& in_flight) {
  const bool keeps = in_flight.keep % granule_size == 0 && in_flight.keep <= range.extent;
  const Size keep = keeps ? in_flight.keep : 0;
  if (keep != 0) recovered.parts.push_back({{range.start, keep}, false, true, in_flight.size});
  recovered.orphan = {range.start + keep, range.extent - keep};
  if (recovered.orphan) recovered.parts.push_back({recovered.orphan, false, false, 0});
}

// Ends the last part at `end`: a block extends to the next start, or to the end of the region.
void end_last_at(RecoveredBlocks& recovered, Offset end) noexcept {
  if (recovered.parts.empty()) return;
  RecoveredBlocks::Part& last = recovered.parts.back();
  if (last.block.extent == 0) last.block.extent = end - last.block.start;
}

Fault broken(Rule rule, Offset at) noexcept {
  return {.kind = FaultKind::header_corrupted, .rule = rule, .offset = at};
}

}  // namespace

RecoveredBlocks read_recovered_blocks(const BlockMap& map, const Intent& in_flight) {
  RecoveredBlocks recovered;
  recovered.parts.reserve(map.blocks() < map.region_size() / granule_size ? map.blocks() + 2 : 2);
  const Block range = recorded_range(in_flight, map.region_size());
  const Offset top = in_flight.top != Intent::unknown ? in_flight.top : map.top().start;
  bool pending = static_cast<bool>(range);
  map.for_each_start(0, map.chunks() - 1, [&](Offset at) {
    if (pending && at >= range.start) {
      end_last_at(recovered, range.start);
      add_recorded_range(recovered, range, in_flight);
      pending = false;
    }
    if (range && at >= range.start && at < range.end()) return;
    end_last_at(recovered, at);
    recovered.parts.push_back({{at, 0}, map.has_free_bit(at), false, 0});
  });
  if (pending) {
    end_last_at(recovered, range.start);
    add_recorded_range(recovered, range, in_flight);
  }
  // The top has no free bit: it is the last block, if the heap had a top.
  RecoveredBlocks::Part* const last = recovered.parts.empty() ? nullptr : &recovered.parts.back();
  if (last != nullptr && last->block.extent == 0) {
    last->free = last->free || (top < map.region_size() && last->block.start <= top);
    end_last_at(recovered, map.region_size());
  }
  return recovered;
}

namespace {

void write_front(BlockBytes& bytes, const RecoveredBlocks::Part& part) noexcept {
  if (bytes.layout.has_headers()) {
    const std::uint16_t serial = bytes.header(part.block.start).serial;
    bytes.write_header(part.block.start, part.size, serial);
  }
  if (bytes.layout.has_redzones()) redzone::raise(bytes, part.block, part.size);
}

}  // namespace

void RecoveredBlocks::apply_to(BlockBytes& bytes, BlockMap& map) const noexcept {
  map.rebuild([this](auto put) {
    for (const Part& part : parts) put(part.block, part.free);
  });
  for (const Part& part : parts) {
    if (part.resized) write_front(bytes, part);
  }
}

bool RecoveredBlocks::have_sound_headers(const Checker& checker, Fault& fault) const noexcept {
  return std::ranges::all_of(parts, [&](const Part& part) {
    return part.free || part.block == orphan || checker.sound(part.block, fault);
  });
}

namespace {

// The live block at `at` according to its header; no block if that is not sound.
Block live_by_header(const BlockBytes& bytes, Offset at) noexcept {
  const header_t header = bytes.header(at);
  if (header.magic != bytes.magic() || header.size > bytes.size()) return {};
  const Block block{at, bytes.layout.extent_for(header.size)};
  if (block.end() > bytes.size() || header.seal != bytes.seal(at, header)) return {};
  return block;
}

void add_free(RecoveredBlocks& recovered, const Layout& layout, Block gap) {
  while (gap) {
    const Block part = layout.powers_of_two ? first_piece(gap) : gap;
    recovered.parts.push_back({part, true, false, 0});
    gap = {part.end(), gap.extent - part.extent};
  }
}

}  // namespace

RecoveredBlocks search_headers(const BlockBytes& bytes) {
  RecoveredBlocks recovered;
  Offset free_from = 0;
  for (Offset at = 0; at < bytes.size();) {
    const Block live = live_by_header(bytes, at);
    if (live) {
      add_free(recovered, bytes.layout, {free_from, at - free_from});
      recovered.parts.push_back({live, false, false, 0});
      free_from = live.end();
    }
    at = live ? live.end() : at + granule_size;
  }
  add_free(recovered, bytes.layout, {free_from, bytes.size() - free_from});
  return recovered;
}

namespace {

// True if halving can yield the part: a power of two, which starts at a multiple of itself if free.
bool is_buddy(const RecoveredBlocks::Part& part) noexcept {
  return part.free ? part.block == first_piece(part.block) : std::has_single_bit(part.block.extent);
}

}  // namespace

bool RecoveredBlocks::is_consistent(const Layout& layout, Size region, bool coalesces_all,
                                    Fault& fault) const noexcept {
  Offset at = 0;
  bool after_free = false;
  for (const Part& part : parts) {
    const bool touches = coalesces_all && part.free && after_free;
    const bool fits = !layout.powers_of_two || part.block == orphan || is_buddy(part);
    const bool within = part.block.extent <= region - at;
    const bool filled = !part.resized || layout.fills(part.size, part.block.extent);
    if (part.block.start != at || !part.block || !within || touches || !fits || !filled) {
      fault = broken(touches ? Rule::neighbours : Rule::coverage, at);
      return false;
    }
    at = part.block.end();
    after_free = part.free;
  }
  if (at == region) return true;
  fault = broken(Rule::coverage, at);
  return false;
}

}  // namespace glassheap
