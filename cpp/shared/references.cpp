#include <algorithm>

#include "glassheap/shared_heap.hpp"
#include "heap/scoped_access.hpp"
#include "shared/attachment.hpp"

// SharedHeap: references to shared blocks. The last reference that is dropped frees a block.

namespace glassheap {

namespace {

// Calls add(payload) for the block of a handle. Its result is zero if the table has no room.
template <typename Add>
auto add_entry(HeapState& heap, const shared::Attachment& attachment, const Handle& handle,
               Fault& fault, Add add) noexcept -> decltype(add(Offset{})) {
  LiveBlock live;
  if (!heap.find(handle, live, fault)) return {};
  const auto added = add(heap.addresses.offset_of(handle.address));
  if (added != 0) return added;
  const auto is_dead = [&](const shared::Holder& holder) {
    return !attachment.is_alive(holder.process);
  };
  fault = {.kind = FaultKind::too_many_holders,
           .maximum = shared::most_holders,
           .found = static_cast<std::uint64_t>(
               std::ranges::count_if(attachment.block().holders, is_dead))};
  return {};
}

}  // namespace

bool SharedHeap::share(const Handle& handle, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    return add_entry(heap, attachment_, handle, fault, [this](Offset payload) {
      return attachment_.holders().add(payload, number());
    });
  });
}

bool SharedHeap::share_own(const Handle& handle, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    return add_entry(heap, attachment_, handle, fault, [this](Offset payload) {
      shared::Holders holders = attachment_.holders();
      return holders.take_noted(payload, number()) || holders.add(payload, number());
    });
  });
}

bool SharedHeap::share_inherited(const Handle& handle, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    return add_entry(heap, attachment_, handle, fault, [&](Offset payload) {
      shared::Holders holders = attachment_.holders();
      const shared::Number parent = attachment_.owner_of(payload);
      // The parent's first: if this process dies in between, its parent has a reference.
      return (parent == 0 || holders.note(payload, parent)) && holders.add(payload, number());
    });
  });
}

std::uint64_t SharedHeap::send(const Handle& handle, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    return add_entry(heap, attachment_, handle, fault, [this](Offset payload) {
      return attachment_.holders().send(payload, number());
    });
  });
}

bool SharedHeap::receive(const Handle& handle, std::uint64_t ticket, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    return add_entry(heap, attachment_, handle, fault, [&](Offset payload) {
      shared::Holders holders = attachment_.holders();
      return holders.take(payload, ticket, number()) || holders.add(payload, number());
    });
  });
}

bool SharedHeap::drop_ref(const Handle& handle, bool& freed, Fault& fault) noexcept {
  freed = false;
  return state().write(fault, [&](HeapState& heap) {
    LiveBlock live;
    if (!heap.find(handle, live, fault)) return false;
    const Offset payload = heap.addresses.offset_of(handle.address);
    if (!attachment_.holders().is_last(payload, number())) {
      attachment_.holders().drop(payload, number());
      return true;
    }
    freed = heap.release(payload, fault);  // with its reference: a death leaves both, or neither
    return freed;
  });
}

bool SharedHeap::release_own(const Handle& handle, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    LiveBlock live;
    if (!heap.find(handle, live, fault)) return false;
    const Offset payload = heap.addresses.offset_of(handle.address);
    shared::Holders holders = attachment_.holders();
    if (holders.count(payload) > 1 && holders.drop_noted(payload, number())) return true;
    return heap.release(payload, fault);
  });
}

namespace {

// Returns true if the entry can be dropped: a dead process's, or a ticket that is old enough. A view
// of this process keeps a block that has no others until the next reap.
bool can_drop(const shared::Holder& holder, const shared::Attachment& attachment, double unopened,
              const HeapState& heap) noexcept {
  if (holder.payload == 0) return false;
  if (attachment.is_alive(holder.process) && !shared::Holders::is_older(holder, unopened))
    return false;
  const Offset payload = holder.payload - 1;
  Fault viewed;
  return attachment.holders().count(payload) != holder.count ||
         heap.check_unpinned(payload, viewed);
}

}  // namespace

std::size_t SharedHeap::reap(double unopened, Fault& fault) noexcept {
  return state().write(fault, [&](HeapState& heap) {
    std::size_t freed = 0;
    for (shared::Holder& holder : attachment_.block().holders) {
      if (!can_drop(holder, attachment_, unopened, heap)) continue;
      const Offset payload = holder.payload - 1;
      LiveBlock live;
      Fault damage;  // an entry without a block is damage, and is dropped
      const bool has_block = heap.core->find(payload, live, damage) || is_corruption(damage.kind);
      if (!has_block || attachment_.holders().count(payload) > holder.count) {
        attachment_.holders().clear(holder);
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
    shared::Number last = 0;  // mostly the owner of the next block too: the kernel is asked once
    bool alive = false;
    for (const BlockView& view : heap.core->walk()) {
      if (!view.live) continue;
      const shared::Number owner = attachment_.owner(view.block.start);
      if (owner != last) alive = attachment_.is_alive(last = owner);
      owned.push_back(
          {.block = heap.info(view),
           .pid = attachment_.pid_of(owner),
           .alive = owner != 0 && alive,
           .holders = attachment_.holders().count(heap.addresses.payload_of(view.block))});
    }
    return owned;
  });
}

}  // namespace glassheap
