#include "glassheap/shared_heap.hpp"
#include "heap/heap_state.hpp"
#include "shared/attachment.hpp"
#include "shared/processes.hpp"

// SharedHeap: blocks that several processes hold. The last reference that is dropped frees a block.

namespace glassheap {

bool SharedHeap::share(const Handle& handle, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    LiveBlock live;
    return heap.find(handle, live, fault) &&
           attachment_.add_ref(heap.addresses.offset_of(handle.address), fault);
  });
}

bool SharedHeap::transfer_ref(const Handle& handle, std::uint16_t from, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    LiveBlock live;
    if (!heap.find(handle, live, fault)) return false;
    const Offset payload = heap.addresses.offset_of(handle.address);
    if (!attachment_.add_ref(payload, fault)) return false;
    attachment_.drop_ref(payload, from);
    return true;
  });
}

bool SharedHeap::drop_ref(const Handle& handle, bool& freed, Fault& fault) noexcept {
  freed = false;
  return state().write(fault, [&](HeapState& heap) {
    LiveBlock live;
    if (!heap.find(handle, live, fault)) return false;
    const Offset payload = heap.addresses.offset_of(handle.address);
    if (!attachment_.is_last_ref(payload)) {
      attachment_.drop_ref(payload, number());
      return true;
    }
    freed = heap.release(payload, fault);  // with its reference: a death leaves both, or neither
    return freed;
  });
}

namespace {

// True if a dead process's references can be dropped. A view of this process keeps a block that has
// no others until the next reap.
bool can_drop(const shared::Holder& holder, const shared::Attachment& attachment,
              const HeapState& heap) noexcept {
  if (holder.payload == 0 || attachment.holder_is_alive(holder)) return false;
  const Offset payload = holder.payload - 1;
  Fault viewed;
  return attachment.holders_of(payload) != holder.count || heap.check_unpinned(payload, viewed);
}

}  // namespace

std::size_t SharedHeap::reap(Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    std::size_t freed = 0;
    for (shared::Holder& holder : attachment_.block().holders) {
      if (!can_drop(holder, attachment_, heap)) continue;
      const Offset payload = holder.payload - 1;
      if (attachment_.holders_of(payload) > holder.count) {
        attachment_.clear(holder);
      } else if (heap.release(payload, fault)) {  // drops its references too
        ++freed;
      } else {
        break;
      }
    }
    return freed;
  });
}

std::vector<OwnedBlock> SharedHeap::owners(Fault& fault) {
  return state().read(fault, [&](HeapState& heap) {
    std::vector<OwnedBlock> owned;
    for (const BlockView& view : heap.core->walk()) {
      if (!view.live) continue;
      const shared::Process process = attachment_.owner(view.block.start);
      owned.push_back({.block = heap.info(view),
                       .pid = process.pid,
                       .alive = shared::is_alive(process),
                       .holders = attachment_.holders_of(heap.addresses.payload_of(view.block))});
    }
    return owned;
  });
}

}  // namespace glassheap
