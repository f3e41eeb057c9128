#include "base/format.hpp"
#include "heap/scoped_access.hpp"

// Heap: reports on blocks, lists, sums and damage.

namespace glassheap {

double Stats::external_fragmentation() const noexcept {
  if (available == 0) return 0;
  return 1 - static_cast<double>(largest_free) / static_cast<double>(available);
}

bool Heap::contains(Address payload, Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) {
    Fault ignored;  // any reason is a no
    LiveBlock live;
    return heap.lookup(heap.addresses.offset_of(payload), live, ignored);
  });
}

std::vector<FreeBlock> Heap::free_list(Fault& fault) {
  return state_->read_all(fault, [&](HeapState& heap) {
    std::vector<FreeBlock> list;
    list.reserve(heap.core->map().free_blocks());
    for (const Block block : heap.core->free_list())
      list.push_back({heap.addresses.address_of(block.start), heap.on_offer(block.extent)});
    return list;
  });
}

std::string Heap::free_list_line(Fault& fault) {
  std::string line;
  for (const FreeBlock& block : free_list(fault)) {
    line += line.empty() ? "Free(" : "->Free(";
    line += std::to_string(block.size) + ')';
  }
  return line.empty() ? "(none)" : line;
}

std::vector<BlockInfo> Heap::walk(Fault& fault) {
  return state_->read_all(fault, [&](HeapState& heap) {
    std::vector<BlockInfo> infos;
    infos.reserve(heap.core->map().blocks());
    for (const BlockView& view : heap.core->walk()) infos.push_back(heap.info(view));
    return infos;
  });
}

namespace {

void check_sentinel(const Region& region, std::vector<BrokenRule>& rules) {
  const std::optional<Offset> changed = region.changed_sentinel_byte();
  if (!changed) return;
  const Fault fault{.kind = FaultKind::overflow_detected,
                    .rule = Rule::sentinel,
                    .expected = region.size(),
                    .found = *changed};
  rules.push_back({fault, {}});
}

// Everything about the finding but its sentence.
Finding as_finding(const HeapState& heap, const BrokenRule& rule) {
  Finding finding;
  finding.fault = rule.fault;
  heap.addresses.complete(finding.fault);
  if (rule.culprit.block) finding.culprit = heap.info(rule.culprit);
  return finding;
}

std::string sentence(const Finding& finding) {
  std::string text = sentence(finding.fault);
  const BlockInfo& culprit = finding.culprit;
  if (culprit.extent == 0) return text;
  return text + format(
                    " The likely culprit is the block at 0x%llx, of %llu bytes, serial %u: it ends "
                    "where the damage begins.",
                    ull{culprit.address}, ull{culprit.size}, unsigned{culprit.serial});
}

}  // namespace

Findings Heap::check(Fault& fault) {
  Findings findings = state_->read_all(fault, [](HeapState& heap) {
    std::vector<BrokenRule> rules = heap.core->inspect();
    heap.inspect_waiting(rules);
    check_sentinel(heap.region, rules);
    if (!rules.empty()) heap.mark_damaged();
    Findings found;
    found.reserve(rules.size());
    for (const BrokenRule& rule : rules) found.push_back(as_finding(heap, rule));
    return found;
  });
  for (Finding& finding : findings) finding.sentence = sentence(finding);
  return findings;
}

namespace {

// Makes the core's sums those of the caller, for whom the blocks that wait are free.
void discount(const Quarantine& quarantine, Stats& stats) noexcept {
  const WaitingSums& waiting = quarantine.sums();
  stats.live_blocks -= waiting.blocks;
  stats.requested -= waiting.requested;
  stats.overhead -= waiting.taken - waiting.requested;
  stats.quarantined = waiting.taken;
  stats.peak_requested = quarantine.peak_requested;
  stats.mallocs -= quarantine.moves;
  stats.frees += quarantine.frees - quarantine.moves;
  stats.reallocs += quarantine.moves;
  stats.failures -= quarantine.failures;
}

void add_waits(const WaitLine& line, Stats& stats) noexcept {
  stats.failures -= line.failures();
  stats.waits = line.waits();
  stats.waited = line.nanoseconds();
}

}  // namespace

Stats Heap::stats(Fault& fault) {
  return state_->read_all(fault, [&](HeapState& heap) -> Stats {
    const BlockMap& map = heap.core->map();
    const Counters counters = heap.core->counters();
    const Addressing& addresses = heap.addresses;
    const Units& units = addresses.units();
    Stats stats{.size = addresses.size(),
                .live_blocks = map.live_blocks(),
                .free_blocks = map.free_blocks(),
                .requested = units.to_caller(counters.requested),
                .used = addresses.up_to(map.used()),
                .available = units.to_caller(heap.core->available()),
                .largest_free = heap.on_offer(heap.core->largest()),
                .overhead = units.to_caller(counters.taken - counters.requested),
                .peak_requested = units.to_caller(counters.peak_requested),
                .peak_used = addresses.up_to(counters.peak_used),
                .mallocs = counters.mallocs,
                .frees = counters.frees,
                .reallocs = counters.reallocs,
                .failures = counters.failures,
                .recovered = heap.hooks == nullptr ? 0 : heap.hooks->recovered()};
    if (heap.quarantine != nullptr) discount(*heap.quarantine, stats);
    if (heap.caches != nullptr) stats.failures -= heap.caches->failures;
    if (const WaitLine* const line = heap.line()) add_waits(*line, stats);
    return stats;
  });
}

Footprint Heap::footprint(Fault& fault) noexcept {
  return state_->read_all(fault, [&](HeapState& heap) -> Footprint {
    const Size waiting = heap.quarantine == nullptr ? 0 : heap.quarantine->sums().taken;
    const Size taken = heap.core->counters().taken - waiting;
    return {.used = heap.addresses.up_to(heap.core->map().used()),
            .taken = heap.addresses.units().to_caller(taken)};
  });
}

Size Heap::available_memory(Fault& fault) noexcept {
  return state_->read_all(fault, [&](HeapState& heap) {
    return heap.addresses.units().to_caller(heap.core->available());
  });
}

Size Heap::largest_free(Fault& fault) noexcept {
  return state_->read_all(fault,
                          [&](HeapState& heap) { return heap.on_offer(heap.core->largest()); });
}

Size Heap::live_blocks(Fault& fault) noexcept {
  return state_->read_all(fault, [&](HeapState& heap) {
    const Size waiting = heap.quarantine == nullptr ? 0 : heap.quarantine->sums().blocks;
    return heap.core->map().live_blocks() - waiting;
  });
}

Size Heap::own_memory(Fault& fault) noexcept {
  return state_->read(fault, [&](HeapState& heap) {
    const Size waiting = heap.quarantine == nullptr ? 0 : heap.quarantine->own_memory();
    const Size cached = heap.caches == nullptr ? 0 : heap.caches->own_memory();
    const Size line = heap.own_line == nullptr ? 0 : sizeof *heap.own_line;
    const Ledger* const ledger = heap.ledger.load(std::memory_order_relaxed);
    const Size noted = ledger == nullptr ? 0 : ledger->own_memory();
    const Size recorder = heap.recording == nullptr ? 0 : sizeof *heap.recording;
    const Size shadow = has_bytes() ? 0 : heap.region.size();
    return sizeof *this + sizeof heap + heap.core->own_memory() + waiting + cached + line + noted +
           recorder + shadow;
  });
}

}  // namespace glassheap
