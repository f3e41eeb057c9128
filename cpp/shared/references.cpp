#include "glassheap/shared_heap.hpp"
#include "heap/heap_state.hpp"
#include "shared/attachment.hpp"
#include "shared/processes.hpp"

// SharedHeap: blocks that several processes hold. The last reference that is dropped frees a block.

namespace glassheap {

bool SharedHeap::share(const Handle& handle, Fault& fault) noexcept {
  return state().write(fault, [&](CoreInterface&) {
    LiveBlock live;
    return state().find(handle, live, fault) &&
           attachment_.add_ref(state().addresses.offset_of(handle.address), fault);
  });
}

bool SharedHeap::transfer_ref(const Handle& handle, std::uint8_t from, Fault& fault) noexcept {
  return state().write(fault, [&](CoreInterface&) {
    LiveBlock live;
    if (!state().find(handle, live, fault)) return false;
    const Offset payload = state().addresses.offset_of(handle.address);
    if (!attachment_.add_ref(payload, fault)) return false;
    static_cast<void>(attachment_.drop_ref(payload, from));  // this process holds it already
    return true;
  });
}

bool SharedHeap::drop_ref(const Handle& handle, bool& freed, Fault& fault) noexcept {
  freed = false;
  return state().write(fault, [&](CoreInterface& core) {
    LiveBlock live;
    if (!state().find(handle, live, fault)) return false;
    const Offset payload = state().addresses.offset_of(handle.address);
    if (attachment_.drop_ref(payload, number())) return true;
    freed = state().check_unpinned(payload, fault) && core.release(payload, fault);
    if (freed) return true;
    state().complete(fault, handle.address);
    Fault ignored;  // the entry that was dropped is free
    static_cast<void>(attachment_.add_ref(payload, ignored));
    return false;
  });
}

std::size_t SharedHeap::reap(Fault& fault) noexcept {
  return state().write(fault, [&](CoreInterface& core) {
    std::size_t freed = 0;
    for (shared::Holder& holder : attachment_.block().holders) {
      const Offset payload = holder.payload - 1;
      if (holder.payload == 0 || attachment_.holder_is_alive(holder)) continue;
      Fault viewed;  // a view of this process keeps the block until the next reap
      if (attachment_.holders_of(payload) == holder.count &&
          !state().check_unpinned(payload, viewed))
        continue;
      attachment_.clear(holder);
      if (attachment_.is_held(payload)) continue;
      freed += core.release(payload, fault) ? 1 : 0;
      if (fault) break;
    }
    return freed;
  });
}

std::vector<OwnedBlock> SharedHeap::owners(Fault& fault) {
  return state().read(fault, [&](CoreInterface& core) {
    std::vector<OwnedBlock> owned;
    for (const BlockView& view : core.walk()) {
      if (!view.live) continue;
      const shared::Process process = attachment_.owner(view.block.start);
      owned.push_back(
          {.block = state().info(view),
           .pid = process.pid,
           .alive = shared::is_alive(process),
           .holders = attachment_.holders_of(state().addresses.payload_of(view.block))});
    }
    return owned;
  });
}

}  // namespace glassheap
