#include "block/records.hpp"

namespace glassheap {

void Records::explain(Block block, Fault& fault) const noexcept {
  const node_t node = bytes_.node(block.start);
  const Size offer = bytes_.layout.on_offer(block.extent);
  fault = {.kind = FaultKind::free_list_corrupted, .offset = block.start};
  Number record = 0;
  while (record < used_ && at(record).start != link_to(block.start)) ++record;
  if (record >= used_) record = nil;
  const std::uint32_t next = at(at(record).next).start;
  if (node.size != offer) {
    fault.rule = Rule::node_size;
    fault.expected = offer;
    fault.found = node.size;
  } else if (node.next != next) {
    fault.rule = Rule::next;
    fault.expected = next;
    fault.found = node.next;
  } else {
    fault.rule = Rule::record;
    fault.expected = record;
    fault.found = node.record;
  }
}

}  // namespace glassheap
