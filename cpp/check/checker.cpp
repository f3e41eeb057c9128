#include "check/checker.hpp"

#include <algorithm>

namespace glassheap {
namespace {

Fault broken(FaultKind kind, Rule rule, Offset start, std::uint64_t expected,
             std::uint64_t found) noexcept {
  return {.kind = kind, .rule = rule, .offset = start, .expected = expected, .found = found};
}

// Returns true if `found` is as expected; otherwise sets `fault`.
bool holds(Rule rule, FaultKind kind, Offset start, std::uint64_t expected, std::uint64_t found,
           Fault& fault) noexcept {
  if (found != expected) fault = broken(kind, rule, start, expected, found);
  return found == expected;
}

}  // namespace

// Returns true if a block at `start` is known to be freed: it is free, or it had no payload and was
// merged. The payload of any other merged block lies in free memory, which misplaced() finds.
bool Checker::was_freed(Offset start) const noexcept {
  if (map_.free_at(start)) return true;
  return map_.has_tombstone(start) && map_.free_at(map_.block_around(start).start);
}

bool Checker::find(Offset payload, LiveBlock& found, Fault& fault) const noexcept {
  return find_inline(payload, found, fault);
}

Fault Checker::misplaced(Offset payload) const noexcept {
  const Offset start = bytes_.layout.start_of(payload);
  if (payload % granule_size == 0 && start < bytes_.size() && was_freed(start))
    return {.kind = FaultKind::double_free};
  if (payload >= bytes_.size()) return {.kind = FaultKind::foreign_pointer};
  if (payload % granule_size != 0) return {.kind = FaultKind::misaligned_pointer};
  const Offset owner = map_.block_around(payload).start;
  if (map_.free_at(owner)) return {.kind = FaultKind::double_free};
  return {.kind = FaultKind::interior_pointer, .owner = bytes_.layout.payload_of(owner)};
}

bool Checker::explain(Offset start, Fault& fault) const noexcept {
  const Block block = map_.block_at(start);
  const header_t header = bytes_.header(block.start);
  if (!holds(Rule::magic, FaultKind::bad_magic, block.start, bytes_.magic(), header.magic, fault))
    return false;
  const Rule rule = bytes_.layout.fills(header.size, block.extent) ? Rule::seal : Rule::size;
  const bool seal = rule == Rule::seal;
  fault = broken(FaultKind::header_corrupted, rule, block.start,
                 seal ? bytes_.seal(block.start, header) : on_offer(block),
                 seal ? header.seal : header.size);
  return false;
}

bool Checker::sound(Block block, Fault& fault) const noexcept {
  LiveBlock live{block, on_offer(block), 0};
  if (bytes_.layout.has_headers()) {
    const header_t header = bytes_.header(block.start);
    if (!is_sound(block, header)) return explain(block.start, fault);
    live.size = header.size;
  }
  return redzone_holds(live, fault);
}

bool Checker::fill_holds(Block free, Fault& fault) const noexcept {
  return !bytes_.layout.has_redzones() ||
         redzone::fill_holds(bytes_, free.start + granule_size, free.end(), fault);
}

void Checker::explain_node(Block free, Offset next, Fault& fault) const noexcept {
  constexpr auto kind = FaultKind::free_list_corrupted;
  const node_t node = bytes_.node(free.start);
  if (holds(Rule::node_size, kind, free.start, on_offer(free), node.size, fault) &&
      holds(Rule::next, kind, free.start, link_to(next), node.next, fault))
    fault = broken(kind, Rule::record, free.start, GLASSHEAP_NIL, node.record);
}

void Checker::inspect(Faults& faults, bool none_touch) const {
  if (!map_.live_at(0) && !map_.free_at(0))
    faults.push_back(broken(FaultKind::header_corrupted, Rule::coverage, 0, 1, 0));
  bool after_free = false;
  for (const Block block : Walk(map_)) {
    const bool free = map_.free_at(block.start);
    Fault fault;
    if (free ? !fill_holds(block, fault) : !sound(block, fault)) faults.push_back(fault);
    if (none_touch && free && after_free)
      faults.push_back(broken(FaultKind::free_list_corrupted, Rule::neighbours, block.start, 0, 1));
    after_free = free;
  }
}

void Checker::inspect_sums(Size requested, Size taken, Faults& faults) const {
  const LiveSums sums = live_sums(bytes_, map_);
  if (sums.requested != requested || sums.taken != taken)
    faults.push_back(
        broken(FaultKind::header_corrupted, Rule::counters, 0, requested, sums.requested));
}

// A block overruns its own redzone, or the front of the block behind it. No block is in front of
// the first one.
BlockView Checker::culprit_of(const Fault& fault) const noexcept {
  const DamagedPart part = damaged_part(fault.rule);
  if (part == DamagedPart::other || (part == DamagedPart::front && fault.offset == 0)) return {};
  const Offset at = part == DamagedPart::back ? fault.offset : fault.offset - 1;
  const BlockView view = view_block(bytes_, map_, map_.block_around(at));
  return view.live ? view : BlockView{};
}

std::vector<BrokenRule> Checker::with_culprits(Faults faults) const {
  const auto place = [](const Fault& fault) { return std::pair(fault.offset, fault.rule); };
  std::ranges::sort(faults, {}, place);
  const auto repeated = std::ranges::unique(faults, {}, place);
  faults.erase(repeated.begin(), repeated.end());
  std::vector<BrokenRule> rules;
  rules.reserve(faults.size());
  for (const Fault& fault : faults) rules.push_back({fault, culprit_of(fault)});
  return rules;
}

}  // namespace glassheap
