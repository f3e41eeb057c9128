#include "glassheap/remains.hpp"

namespace glassheap {
namespace {

// The stretch in flight, if it is one; whatever a damaged image says, it lies in the region.
Block span_of(const Stretch& died, Size region) noexcept {
  const bool whole = died.start % granule_size == 0 && died.end % granule_size == 0;
  if (!whole || died.end > region || died.start >= died.end) return {};
  return {died.start, died.end - died.start};
}

// What was to be kept of it, and the rest.
void add_stretch(Remains& remains, Block stretch, const Stretch& died) {
  const bool keeps = died.keep % granule_size == 0 && died.keep <= stretch.extent;
  const Size keep = keeps ? died.keep : 0;
  if (keep != 0) remains.parts.push_back({{stretch.start, keep}, false, true, died.size});
  remains.gone = {stretch.start + keep, stretch.extent - keep};
  if (remains.gone) remains.parts.push_back({remains.gone, false, false, 0});
}

// The offsets at which a chunk's blocks start, lowest first.
template <typename Visit>
void for_starts(const BlockMap& map, Visit visit) {
  for (std::size_t chunk = 0; chunk < map.chunks(); ++chunk) {
    for (auto bits = map.starts_word(chunk); bits != 0; bits &= bits - 1) {
      const auto bit = static_cast<Offset>(std::countr_zero(bits));
      visit((chunk * 64 + bit) * granule_size, (map.free_word(chunk) >> bit & 1) != 0);
    }
  }
}

// A block reaches to the next one, or to the end.
void close(Remains& remains, Offset end) noexcept {
  if (remains.parts.empty()) return;
  Remains::Part& last = remains.parts.back();
  if (last.block.extent == 0) last.block.extent = end - last.block.start;
}

Fault broken(Rule rule, Offset at) noexcept {
  return {.kind = FaultKind::header_corrupted, .rule = rule, .offset = at};
}

}  // namespace

Remains read_remains(const BlockMap& map, const Stretch& died) {
  Remains remains;
  remains.parts.reserve(map.blocks() < map.region_size() / granule_size ? map.blocks() + 2 : 2);
  const Block stretch = span_of(died, map.region_size());
  const Offset top = stretch ? died.top : map.top().start;
  bool pending = static_cast<bool>(stretch);
  for_starts(map, [&](Offset at, bool free) {
    if (pending && at >= stretch.start) {
      close(remains, stretch.start);
      add_stretch(remains, stretch, died);
      pending = false;
    }
    if (stretch && at >= stretch.start && at < stretch.end()) return;
    close(remains, at);
    remains.parts.push_back({{at, 0}, free, false, 0});
  });
  if (pending) {
    close(remains, stretch.start);
    add_stretch(remains, stretch, died);
  }
  // The top has no bit of its own: it is the last block, where there was a top at all.
  Remains::Part* const last = remains.parts.empty() ? nullptr : &remains.parts.back();
  if (last != nullptr && last->block.extent == 0) {
    last->free = last->free || (top < map.region_size() && last->block.start <= top);
    close(remains, map.region_size());
  }
  return remains;
}

namespace {

void write_front(Blocks& blocks, const Remains::Part& part) noexcept {
  if (blocks.layout.has_headers()) {
    const std::uint16_t serial = blocks.header(part.block.start).serial;
    blocks.write_header(part.block.start, part.size, serial);
  }
  if (blocks.layout.has_redzones()) redzone::raise(blocks, part.block, part.size);
}

}  // namespace

void Remains::put_into(Blocks& blocks, BlockMap& map) const noexcept {
  map.become([this](auto put) {
    for (const Part& part : parts) put(part.block, part.free);
  });
  for (const Part& part : parts) {
    if (part.resized) write_front(blocks, part);
  }
}

bool Remains::are_sound(const Judge& judge, Fault& fault) const noexcept {
  return std::ranges::all_of(parts, [&](const Part& part) {
    return part.free || part.block == gone || judge.sound(part.block, fault);
  });
}

namespace {

// The live block that starts at `at`, by its header; none if that is not sound.
Block live_by_header(const Blocks& blocks, Offset at) noexcept {
  const header_t header = blocks.header(at);
  if (header.magic != blocks.magic() || header.size > blocks.size()) return {};
  const Block block{at, blocks.layout.extent_for(header.size)};
  if (block.end() > blocks.size() || header.seal != blocks.seal(at, header)) return {};
  return block;
}

void add_free(Remains& remains, const Layout& layout, Block gap) {
  while (gap) {
    const Block part = layout.powers_of_two ? first_piece(gap) : gap;
    remains.parts.push_back({part, true, false, 0});
    gap = {part.end(), gap.extent - part.extent};
  }
}

}  // namespace

Remains search_headers(const Blocks& blocks) {
  Remains remains;
  Offset free_from = 0;
  for (Offset at = 0; at < blocks.size();) {
    const Block live = live_by_header(blocks, at);
    if (live) {
      add_free(remains, blocks.layout, {free_from, at - free_from});
      remains.parts.push_back({live, false, false, 0});
      free_from = live.end();
    }
    at = live ? live.end() : at + granule_size;
  }
  add_free(remains, blocks.layout, {free_from, blocks.size() - free_from});
  return remains;
}

namespace {

// Where every block is a power of two large; a free one also stands where such a one may.
bool halving_makes(const Remains::Part& part) noexcept {
  return part.free ? part.block == first_piece(part.block) : std::has_single_bit(part.block.extent);
}

}  // namespace

bool Remains::add_up(const Layout& layout, Size region, bool none_touch,
                     Fault& fault) const noexcept {
  Offset at = 0;
  bool after_free = false;
  for (const Part& part : parts) {
    const bool touches = none_touch && part.free && after_free;
    const bool fits = !layout.powers_of_two || part.block == gone || halving_makes(part);
    const bool within = part.block.extent <= region - at;
    if (part.block.start != at || !part.block || !within || touches || !fits) {
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
