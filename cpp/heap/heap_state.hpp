// heap_state.hpp: all that stands behind a Heap, and the one way in.
//
//     Heap::calloc      address of a payload          the public calls, a file each group
//        |              |                             (heap.cpp, handles.cpp, reports.cpp)
//     HeapState::write  lock, closed? damaged?        scoped_access.hpp
//        |
//     CoreInterface     offset of a block             core/
//
// read() and write() take the lock, refuse the call where the heap is closed (write: or damaged),
// and then run it. All other members are for code that read() or write() runs.
//
// Most calls of Heap::malloc and Heap::free do not come this way, but through the front line
// (core/front_line.hpp). HeapState keeps that right: `inside` follows the damage, closing and reset,
// `pinned` the pins.
#pragma once

#include <type_traits>

#include "base/region.hpp"
#include "core/core_interface.hpp"
#include "core/front_line.hpp"
#include "glassheap/heap.hpp"
#include "heap/addressing.hpp"
#include "heap/ledger.hpp"
#include "heap/pins.hpp"
#include "heap/quarantine.hpp"
#include "heap/recording.hpp"
#include "heap/refusals.hpp"
#include "heap/thread_caches.hpp"

namespace glassheap {

struct HeapState : FrontLine {
  HeapState(const Options& wanted, Region bytes, std::unique_ptr<CoreInterface> made,
            std::unique_ptr<SharingHooks> events);

  // Runs `call(*this)`, and returns its result; a zero of its type where the call is refused.
  template <typename Call>
  std::invoke_result_t<Call, HeapState&> read(Fault& fault, Call call);
  template <typename Call>
  std::invoke_result_t<Call, HeapState&> write(Fault& fault, Call call);
  // The same as read(), for a call about all blocks: no thread has one in its cache meanwhile.
  template <typename Call>
  std::invoke_result_t<Call, HeapState&> read_all(Fault& fault, Call call);

  // Heap::malloc and Heap::free, for every heap and every alignment, in the caller's units. They
  // begin the `fault`, which the faster calls leave as it was.
  Address malloc(Size size, Size align, Fault& fault) noexcept;
  bool free(Address payload, Fault& fault) noexcept;

  void mark_damaged() noexcept {
    shared.damaged = true;
    set_front();
  }
  void mark_sound() noexcept {
    shared.damaged = false;
    set_front();
  }
  // Lets calls take the plain way, and blocks stay in the caches, if the heap is sound and nobody
  // waits. Plain calls of a shared heap look at that themselves.
  void set_front() noexcept {
    const bool open = !shared.damaged && !shared.waiting;
    inside = has_plain_calls() && (open || hooks != nullptr) ? core.get() : nullptr;
    if (caches != nullptr) open ? caches->open() : caches->shut();
  }

  // Begins to keep tags, with the lock or before the heap is used. A malloc that is under way in
  // another thread meanwhile may hand out a block that is not noted. Throws std::bad_alloc.
  void start_ledger();
  // Notes a block, or several, in the ledger, if there is one: as handed out now, and without a tag.
  void note(Offset payload) const noexcept {
    if (Ledger* const kept = ledger.load(std::memory_order_acquire); kept != nullptr)
      kept->note(payload);
  }
  void note(std::span<const Offset> payloads) const noexcept;

  // Throws std::bad_alloc, and changes nothing, if there is no memory for another pin.
  void pin(Offset payload) {
    pins.add(payload);
    pinned = pins.blocks();
  }
  void unpin(Offset payload) noexcept {
    pins.drop(payload);
    pinned = pins.blocks();
  }
  // The same from outside of the lock; also for Heap::whole_region.
  void drop_pin(Offset payload) noexcept;
  // Makes the block with this payload, if there is one, no thread's to keep. Returns false, with a
  // fault, if a thread keeps it: for the caller it is free.
  [[nodiscard]] bool withdraw(Offset payload, Fault& fault) const noexcept {
    if (caches == nullptr || caches->withdraw(payload)) [[likely]]
      return true;
    fault = {.kind = FaultKind::double_free};
    return false;
  }
  // Gives the blocks in the threads' caches to the core. Returns false if it cannot now
  // (heap_busy), or if one was overwritten: then the heap is damaged, and no block is left there.
  [[nodiscard]] bool empty_caches(Fault& fault) noexcept;
  // Resets the core; keeps threads out of the caches. Return false, and change nothing, if that
  // cannot be done now (heap_busy).
  [[nodiscard]] bool reset_core(Fault& fault) noexcept;
  [[nodiscard]] bool shut_caches(Fault& fault) noexcept;
  [[nodiscard]] bool check_unpinned(Offset payload, Fault& fault) const noexcept {
    if (!pins.contains(payload)) [[likely]]
      return true;
    fault.kind = kind_of_pin();
    return false;
  }
  // Without bytes there are no views: only a realloc that moves a block pins it.
  [[nodiscard]] FaultKind kind_of_pin() const noexcept {
    return addresses.has_bytes() ? FaultKind::pinned : FaultKind::moving;
  }
  // Returns true if an address of 0 that malloc has returned with this fault is an offset.
  [[nodiscard]] bool hands_out_zero(const Fault& fault) const noexcept {
    return !addresses.has_bytes() && !fault;
  }
  // Returns true if the heap has bytes to view, or to write.
  [[nodiscard]] bool check_bytes(Fault& fault) const noexcept {
    if (!addresses.has_bytes()) fault.kind = FaultKind::no_bytes;
    return addresses.has_bytes();
  }
  // Finds the live block with this payload, which neither waits in the quarantine nor is cached.
  [[nodiscard]] bool lookup(Offset payload, LiveBlock& live, Fault& fault) const noexcept;
  // Finds the live block with this payload, or with this handle; otherwise `fault` is complete.
  [[nodiscard]] bool find(Address payload, LiveBlock& live, Fault& fault) noexcept;
  [[nodiscard]] bool find(const Handle& handle, LiveBlock& live, Fault& fault) noexcept;

  // Allocates and resizes as the core does, for a size of the caller and an alignment of the core. If
  // the core has no room, the blocks in the quarantine and in the caches are released, and it tries
  // again.
  Block allocate(Size size, Size align, Fault& fault) noexcept {
    const Size need = addresses.units().to_core(size);
    Block block = core->allocate(need, align, fault);
    if (block) [[likely]]
      return block;
    if (may_try_again(fault)) block = core->allocate(need, align, fault);
    return blame_size(size, fault), block;
  }
  Block reallocate(Offset old, Size size, Size align, Fault& fault) noexcept {
    if (quarantine != nullptr) [[unlikely]]
      return reallocate_by_quarantine(old, size, align, fault);
    if (!withdraw(old, fault) || !may_resize(old, size, align, fault)) return {};
    const Size need = addresses.units().to_core(size);
    Block block = core->reallocate(old, need, align, fault);
    if (!block && may_try_again(fault)) block = core->reallocate(old, need, align, fault);
    return blame_size(size, fault), block;
  }
  // Gives a shortage the size that the caller asked for.
  static void blame_size(Size size, Fault& fault) noexcept {
    if (fault.kind == FaultKind::out_of_memory) fault.argument = size;
  }
  // Returns true if the heap may copy the block with this payload, or need not.
  [[nodiscard]] bool may_resize(Offset old, Size size, Size align, Fault& fault) const noexcept {
    return addresses.has_bytes() || stays_in_place(old, size, align, fault);
  }
  // Empties the quarantine and the caches. Returns true if a request that met this shortage may now
  // be served.
  [[gnu::cold]] bool may_try_again(Fault& fault) noexcept;
  // Heap::malloc and Heap::acquire, under the lock of a heap that is not damaged.
  [[nodiscard]] Address malloc_inside(Size size, Size align, Fault& fault) noexcept;
  [[nodiscard]] bool acquire_inside(Size size, Size align, Handle& handle, Fault& fault) noexcept;
  // Releases blocks that are not pinned, or lets them wait: all, or none.
  bool release_many(std::span<Offset> payloads, std::size_t& refused, Fault& fault) noexcept;

  // --- Requests that wait (in_turn.cpp). --------------------------------------------------------

  // Makes a request, which serve(fault) does under the lock, if it is its turn. If it is not, or if
  // the request is refused for a shortage, it lines up, unless it has a ticket already.
  template <typename Serve>
  std::invoke_result_t<Serve, Fault&> serve_in_turn(Ticket& ticket, Bell bell, Fault& fault,
                                                    Serve serve) noexcept;
  // As malloc_inside, but refused if anybody waits. A shortage is no failure of the heap yet.
  [[nodiscard]] Address malloc_if_nobody_waits(Size size, Size align, Fault& fault) noexcept;
  // Gives up a place, and lets the next one try. Calls that need no lock.
  void leave_line(Ticket ticket) noexcept;
  // Calls everyone who waits: the heap is about to be closed.
  void dismiss_line() const noexcept;
  // Null until somebody waits. The heap must be open.
  [[nodiscard]] WaitLine* line() const noexcept {
    return hooks == nullptr ? own_line.get() : &hooks->line();
  }

  // Adds the blocks of the quarantine that were written.
  void inspect_waiting(std::vector<BrokenRule>& rules) const;

  // The address of a block that the core has just allocated; 0, and a complete fault, if it has
  // not. `payload` is the pointer to blame.
  Address hand_out(Block block, Address payload, Fault& fault) noexcept {
    if (block) [[likely]]
      note(addresses.payload_of(block));
    return pass_on(block, payload, fault);
  }
  // The same for a block that is not noted, because its entry in the ledger stays.
  Address pass_on(Block block, Address payload, Fault& fault) noexcept {
    if (!block) [[unlikely]]
      return refuse(fault, payload), 0;
    if (quarantine != nullptr) [[unlikely]]
      quarantine->note_peak(core->counters().requested);
    if (caches != nullptr && !pins.contains(addresses.payload_of(block))) caches->enlist(block);
    return addresses.payload_address(block);
  }
  // The same for the block that the one at `old` has become, which is_noted() told of before.
  Address hand_over(Offset old, bool was_noted, Block block, Fault& fault) noexcept;
  // Returns true if the live block with this payload has an entry of its own in the ledger, if there
  // is one: in a shared heap those that this process has allocated. It may be any number.
  [[nodiscard]] bool is_noted(Offset payload) const noexcept {
    if (hooks == nullptr) return true;
    return core->layout().start_of(payload) < region.size() && hooks->owns(payload);
  }
  // Notes a block at another place, with the entry that it had if it was noted.
  void note_moved(Offset from, bool was_noted, Offset to) const noexcept;
  // Releases the block with this payload unless it is pinned; otherwise `fault` is complete.
  bool release(Offset payload, Fault& fault) noexcept {
    return give_back(payload, fault) && note_free(payload);
  }
  // The same, but not recorded.
  bool give_back(Offset payload, Fault& fault) noexcept {
    if (quarantine != nullptr) [[unlikely]]
      return release_by_quarantine(payload, fault);
    if (!check_unpinned(payload, fault) || !withdraw(payload, fault) ||
        !core->release(payload, fault)) [[unlikely]]
      return refuse(fault, addresses.address_of(payload));
    if (hooks != nullptr) [[unlikely]]
      hooks->on_free(payload);
    return true;
  }
  // Completes a fault: its addresses as the caller counts, the numbers of a shortage. Corruption
  // makes the heap damaged. Counts the refusal. Returns false.
  [[gnu::cold, gnu::noinline]] bool refuse(Fault& fault, Address payload) noexcept;

  // Bytes of the caller that a free block of this extent offers.
  [[nodiscard]] Size on_offer(Size extent) const noexcept {
    return addresses.units().to_caller(core->layout().on_offer(extent));
  }
  // Bytes of a live block that may be written.
  [[nodiscard]] Size usable(Block block, Size size) const noexcept {
    return core->layout().has_redzones() ? size : on_offer(block.extent);
  }
  // A block that waits is free, and offers nothing.
  [[nodiscard]] BlockInfo info(const BlockView& view) const noexcept;

  // --- The recording (recorded_calls.cpp). ------------------------------------------------------

  // Begins it, unless it is null. It stays when Recording::keep() was called. Throws std::bad_alloc.
  void record_to(std::unique_ptr<Recording> begun);
  // Note a call if the heap records, and pass its result on; one that was refused if memory was short.
  Address note_malloc(const Asked& asked, Address payload, const Fault& fault) noexcept {
    if (recording != nullptr) [[unlikely]]
      add_malloc(asked, payload, fault);
    return payload;
  }
  Address note_realloc(Address from, const Asked& asked, Address to, const Fault& fault) noexcept {
    if (recording != nullptr) [[unlikely]]
      add_realloc(from, asked, to, fault);
    return to;
  }
  void note_refused_batch(std::span<const Size> sizes, const Fault& fault) const noexcept;
  bool note_free(Offset payload) noexcept {
    if (recording != nullptr) [[unlikely]]
      add_free(addresses.address_of(payload));
    return true;
  }
  // A batch, in the order in which the blocks were given back. Changes the order of `payloads`.
  void note_frees(std::span<Offset> payloads) noexcept;

  // Drops the caller's pin, gives back the block if it had no others, and then runs note(), locked.
  template <typename Note>
  bool give_back_pinned(Offset payload, Fault& fault, Note note) noexcept;

  // Fills in the reason why the heap may not be entered.
  [[gnu::cold, gnu::noinline]] void blame(FaultKind refusal, Fault& fault) const noexcept {
    fault.kind = refusal;
    if (refusal == FaultKind::system_error) fault.system_error = shared.system_error;
  }
  // Enters the heap, for ScopedAccess: `lock` is held from here to leave(). Returns none, or the
  // reason why it may not be entered.
  [[nodiscard]] FaultKind enter() noexcept {
    if (const FaultKind refusal = lock.lock(); refusal != FaultKind::none) [[unlikely]]
      return refusal;
    const FaultKind refusal = try_enter();
    return refusal == FaultKind::none ? refusal : enter_late(refusal);
  }
  void leave() noexcept {
    if (shared.waiting) [[unlikely]]
      call_next();
    if (hooks != nullptr) [[unlikely]]
      hooks->on_leave(*core, shared);
    lock.unlock();
  }

  Options options;
  Region region;
  Addressing addresses;
  std::unique_ptr<CoreInterface> core;  // null once the heap is closed
  SharedState shared;
  Pins pins;
  std::unique_ptr<Quarantine> quarantine;  // null if freed blocks do not wait
  std::unique_ptr<ThreadCaches> caches;    // null without Options::thread_cache
  std::unique_ptr<WaitLine> own_line;      // null in a shared heap
  std::atomic<Ledger*> ledger = nullptr;   // null if the heap keeps no tags; once set, it stays
  std::unique_ptr<Recording> recording;    // null without Options::record
  Refusals refusals;

  // The pair behind the calls of an offset heap (offset_calls.hpp).
  const FrontCalls* const fast;

 private:
  // Returns true if the live block with this payload can have the size where it is.
  [[nodiscard]] bool stays_in_place(Offset old, Size size, Size align, Fault& fault) const noexcept;
  // One attempt, with the lock.
  [[nodiscard]] FaultKind try_enter() noexcept {
    if (core == nullptr) [[unlikely]]
      return FaultKind::heap_closed;
    if (hooks == nullptr) [[likely]]
      return FaultKind::none;
    return hooks->on_enter(*core, shared);
  }
  // After a first attempt: tries again until the timeout while another process is inside. Unlocks
  // the lock if it does not return none.
  [[gnu::cold, gnu::noinline]] FaultKind enter_late(FaultKind refusal) noexcept;

  // Calls the first request that waits, if anything was freed since the last call.
  [[gnu::cold, gnu::noinline]] void call_next() noexcept;
  [[nodiscard]] bool make_line() noexcept;
  void skip_gone() noexcept;
  void note_waiting() noexcept;
  void step_out(Ticket& ticket) noexcept;
  [[nodiscard]] bool is_turn(Ticket& ticket) noexcept;
  [[nodiscard]] bool is_short(const Fault& fault) noexcept;
  void line_up(Ticket& ticket, Bell bell) noexcept;
  [[nodiscard]] Waiter waiter() const noexcept;
  [[nodiscard]] std::uint64_t changes() const noexcept;

  void add_malloc(const Asked& asked, Address payload, const Fault& fault) const noexcept;
  void add_realloc(Address from, const Asked& asked, Address to, const Fault& fault) const noexcept;
  void add_free(Address payload) const noexcept;

  // Returns true if this block, live for the core, is free for the caller.
  [[nodiscard]] bool is_free_for_caller(Offset payload) const noexcept;
  bool empty_quarantine(Fault& fault) noexcept;
  bool release_by_quarantine(Offset payload, Fault& fault) noexcept;
  Block reallocate_by_quarantine(Offset old, Size size, Size align, Fault& fault) noexcept;
  bool let_go(std::size_t oldest, Fault& fault) noexcept;
  void fill_waiting() const noexcept;
  [[nodiscard]] bool waiting_fill_holds(std::size_t index, Fault& fault) const noexcept;

  std::unique_ptr<Ledger> kept_ledger_;
};

}  // namespace glassheap
