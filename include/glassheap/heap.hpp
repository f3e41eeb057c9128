// heap.hpp: the heap as its users see it: one class, whatever the policy.
//
// The facade turns addresses into offsets, takes the lock, refuses what a closed or damaged heap
// must refuse, remembers which blocks are pinned by a view, and leaves the rest to the core. Every
// call is safe from any thread, unless the heap was opened for one. A call that can be refused has
// a Fault& at its end: when it is refused, the fault says why, and nothing has changed but the
// count of failures.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "core/policy_list.hpp"
#include "glassheap/lock.hpp"
#include "glassheap/region.hpp"

namespace glassheap {

// All in bytes, but the counts.
struct Stats {
  Size size = 0;
  Size live_blocks = 0;
  Size free_blocks = 0;
  Size requested = 0;  // asked for and live
  Size used = 0;       // from the region's first byte to the end of its highest live block
  Size available = 0;  // sum of the node sizes
  Size largest_free = 0;
  Size overhead = 0;  // headers and rounding of the live blocks
  Size peak_requested = 0;
  Size peak_used = 0;
  std::uint64_t mallocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t reallocs = 0;
  std::uint64_t failures = 0;
  std::uint64_t recovered =
      0;  // of a shared heap: deaths in the middle of a call, cleared up after

  // 1 - largest_free / available; 0 when nothing is available.
  [[nodiscard]] double external_fragmentation() const noexcept;
};

// A block that somebody holds on to: knows when its memory was freed, or the heap reset.
struct Handle {
  Address address = 0;
  Size size = 0;
  std::uint64_t epoch = 0;  // how often the heap had been reset
  std::uint16_t serial = 0;
};

struct FreeBlock {
  Address address;  // of the node, the first byte of the free block
  Size size;        // what the node offers
};

struct BlockInfo {
  Address start;    // the first byte of the block
  Address address;  // the first byte of its payload
  Size size;        // asked for (live) or on offer (free)
  Size extent;      // taken in all
  bool live;
  std::uint16_t serial;  // 0 for a free block
};

// What stands between a heap and the other processes that share it. Called under the heap's lock.
class SharingHooks {
 public:
  SharingHooks() = default;
  SharingHooks(const SharingHooks&) = delete;
  SharingHooks& operator=(const SharingHooks&) = delete;
  virtual ~SharingHooks() = default;

  // What all of them must agree on, beside the core's numbers.
  struct Common {
    bool damaged = false;
    std::uint64_t epoch = 0;
  };
  // Keeps the others out, and brings core and `common` up to date; or says why not. In every call:
  // a Fault would be too much to clear.
  virtual FaultKind on_enter(CoreInterface& core, Common& common) noexcept = 0;
  // Writes down what has changed, and lets the others in. No core: it has just been closed.
  virtual void on_leave(CoreInterface* core, const Common& common) noexcept = 0;
  [[nodiscard]] virtual std::uint64_t recovered() const noexcept = 0;
  virtual void on_allocate(Block block) noexcept = 0;  // a block is this process's now
  virtual void on_free(Offset payload) noexcept = 0;   // a block is nobody's any more
  virtual void on_reset() noexcept = 0;                // none is anybody's
  virtual void on_close() noexcept = 0;                // gives up the memory; not under the lock
};

class Heap {
 public:
  // A heap over fresh private pages. Refused, with no heap, for a size out of range (invalid_size),
  // a base that is no multiple of 16 (invalid_base), an unknown policy (unknown_policy), an option
  // that the policy does not take (unwanted_option), or when the system gives no pages (no_pages).
  // Throws std::bad_alloc if there is no memory for the block map and the policy's index.
  [[nodiscard]] static std::unique_ptr<Heap> open(const Options& options, Fault& fault);

  // The same over `span`, somebody else's bytes, which `keeper` keeps until the heap is closed: the
  // largest whole number of granules in it that begins on one, less a last one, whose bytes are
  // watched by check(). Bytes outside of that are never written. options.size is not used.
  [[nodiscard]] static std::unique_ptr<Heap> over(std::span<std::byte> span,
                                                  std::shared_ptr<void> keeper,
                                                  const Options& options, Fault& fault);
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  virtual ~Heap();

  // Addresses of payloads; 0 if refused. `align` is a power of two up to a quarter of the region.
  Address malloc(Size size, Size align, Fault& fault) noexcept;
  Address calloc(Size count, Size size, Fault& fault) noexcept;
  Address realloc(Address payload, Size size, Size align, Fault& fault) noexcept;
  bool free(Address payload, Fault& fault) noexcept;
  Size usable_size(Address payload, Fault& fault) noexcept;

  // `addresses` has as many places as `sizes`. Fault::index says which of a batch was refused.
  bool malloc_many(std::span<const Size> sizes, std::span<Address> addresses, Fault& fault);
  // `addresses` is turned into offsets on the way and is of no use afterwards. Address 0 is
  // skipped.
  bool free_many(std::span<Address> addresses, Fault& fault);

  // Handles: as malloc and free, but a handle whose block is gone is refused as stale.
  bool acquire(Size size, Size align, Handle& handle, Fault& fault) noexcept;
  bool release(const Handle& handle, Fault& fault) noexcept;
  bool is_current(const Handle& handle, Fault& fault) noexcept;
  // The handle of a block that is live.
  bool hold(Address payload, Handle& handle, Fault& fault) noexcept;

  // A pinned block is refused to free and realloc, and its heap to reset and close, until it is
  // unpinned as often. Pinning says how many bytes were asked for, and where they really are.
  static constexpr Offset whole_region = ~Offset{0};
  struct Pinned {
    Offset payload = whole_region;
    std::byte* data = nullptr;
    Size size = 0;
  };
  bool pin(Address payload, Pinned& pinned, Fault& fault);
  bool pin(const Handle& handle, Pinned& pinned, Fault& fault);
  bool pin_region(Pinned& pinned, Fault& fault) noexcept;  // all of it: refuses close alone
  void unpin(Offset payload) noexcept;                     // Pinned::payload

  // realloc and free for whoever pinned the block once, and keeps it pinned while it lives: the pin
  // goes along in the same step, so nobody can free the block, or reset the heap, in between. A
  // block that others have pinned too stays. free_pinned() takes the pin back in any case: also
  // where the block itself must stay, because the heap is damaged, say.
  Address realloc_pinned(Address payload, Size size, Size align, Fault& fault) noexcept;
  bool free_pinned(Address payload, Fault& fault) noexcept;

  // Whether it is the payload of a live block.
  [[nodiscard]] bool contains(Address payload, Fault& fault) noexcept;
  [[nodiscard]] std::vector<FreeBlock> free_list(Fault& fault);
  // The sizes in list order on one line, Free(112)->Free(3824), or (none); no line break.
  [[nodiscard]] std::string free_list_line(Fault& fault);
  [[nodiscard]] std::vector<BlockInfo> walk(Fault& fault);
  // What is broken, if anything: the heap is damaged from then on. `culprits`, if given, has for
  // each the live block that most likely wrote there: the one that was written behind, or the left
  // neighbour of a front that was written over; or one without extent, where there is none.
  [[nodiscard]] Findings check(Fault& fault, std::vector<BlockInfo>* culprits = nullptr);
  [[nodiscard]] Stats stats(Fault& fault);
  [[nodiscard]] Size available_memory(Fault& fault) noexcept;
  [[nodiscard]] Size largest_free(Fault& fault) noexcept;
  [[nodiscard]] Size live_blocks(Fault& fault) noexcept;
  // Bytes that the heap takes outside its region: block map, index, and itself.
  [[nodiscard]] Size own_memory(Fault& fault) noexcept;

  bool reset(Fault& fault) noexcept;
  bool close(Fault& fault) noexcept;  // gives the region back; closing a closed heap does nothing

  [[nodiscard]] bool closed() noexcept;
  [[nodiscard]] Size size() const noexcept { return size_; }
  [[nodiscard]] Address base() const noexcept { return base_; }
  [[nodiscard]] Address address() const noexcept { return real_; }
  [[nodiscard]] Size align_limit() const noexcept { return largest_align_; }
  [[nodiscard]] const Options& options() const noexcept { return options_; }

 protected:
  // A heap whose core has been made, and is to be seeded unless it is shared.
  Heap(const Options& options, Region region, std::shared_ptr<void> keeper,
       std::unique_ptr<CoreInterface> core, std::unique_ptr<SharingHooks> hooks);

  // The lock, and what is shared brought up to date; as long as it lives.
  class ScopedAccess {
   public:
    explicit ScopedAccess(Heap& heap) noexcept : guard_(heap.lock_), heap_(heap) {
      if (!guard_) {
        refusal_ = FaultKind::heap_busy;
      } else if (heap.hooks_ != nullptr && heap.core_ != nullptr) [[unlikely]] {
        on_enter();
      }
    }
    ~ScopedAccess() {
      if (shared_) [[unlikely]]
        on_leave();
    }
    ScopedAccess(const ScopedAccess&) = delete;
    ScopedAccess& operator=(const ScopedAccess&) = delete;

    [[nodiscard]] explicit operator bool() const noexcept { return refusal_ == FaultKind::none; }
    [[nodiscard]] FaultKind refusal() const noexcept { return refusal_; }
    // Whether this process's other threads are out, which is all that its pins need.
    [[nodiscard]] bool is_locked() const noexcept { return static_cast<bool>(guard_); }

   private:
    void on_enter() noexcept;
    void on_leave() noexcept;

    Guard guard_;
    Heap& heap_;
    FaultKind refusal_ = FaultKind::none;
    bool shared_ = false;
  };

  [[nodiscard]] CoreInterface& core() noexcept { return *core_; }
  [[nodiscard]] SharingHooks* hooks() const noexcept { return hooks_.get(); }

  // Whether a heap can be opened with these options; or why not.
  [[nodiscard]] static bool acceptable(const Options& options, Fault& fault) noexcept;
  [[nodiscard]] static std::unique_ptr<Heap> make(const Options& options, Region region,
                                                  std::shared_ptr<void> keeper);

  // Places in the core's region, which begins behind the unused granule, if there is one.
  [[nodiscard]] Offset offset_of(Address payload) const noexcept { return payload - origin_; }
  [[nodiscard]] Address address_of(Offset at) const noexcept { return at + origin_; }
  [[nodiscard]] Address address_of(Block block) const noexcept {
    return block ? address_of(payload_of(block)) : 0;
  }
  [[nodiscard]] Offset payload_of(Block block) const noexcept { return block.start + front_; }
  [[nodiscard]] Size on_offer(Size extent) const noexcept {
    return core_->layout().on_offer(extent);
  }
  // What may be written of a live block that was asked for `size` bytes.
  [[nodiscard]] Size usable(Block block, Size size) const noexcept {
    return core_->layout().has_redzones() ? size : on_offer(block.extent);
  }
  // What a stretch of the core's region comes to with the unused granule in front of it.
  [[nodiscard]] Size from_first_byte(Size used) const noexcept {
    return used == 0 ? 0 : unused_ + used;
  }
  [[nodiscard]] std::byte* data(Offset at) const noexcept { return region_.data() + unused_ + at; }
  [[nodiscard]] bool align_for(Size& align, Fault& fault) const noexcept {
    return align == granule_size || other_align(align, fault);
  }
  [[nodiscard]] bool other_align(Size& align, Fault& fault) const noexcept;

  // Whether the lock was taken and the heap is open; and whether it may be changed.
  [[nodiscard]] bool check_readable(const ScopedAccess& access, Fault& fault) const noexcept {
    if (access && core_ != nullptr) [[likely]]
      return true;
    fault.kind = access ? FaultKind::heap_closed : access.refusal();
    return false;
  }
  [[nodiscard]] bool check_writable(const ScopedAccess& access, Fault& fault) const noexcept {
    if (!check_readable(access, fault)) return false;
    if (common_.damaged) fault.kind = FaultKind::heap_damaged;
    return !common_.damaged;
  }
  // A block was handed out, or freed.
  Block taken(Block block) noexcept {
    if (hooks_ != nullptr && block) [[unlikely]]
      hooks_->on_allocate(block);
    return block;
  }
  bool released(Offset payload) noexcept {
    if (hooks_ != nullptr) [[unlikely]]
      hooks_->on_free(payload);
    return true;
  }
  [[nodiscard]] bool unpinned(Offset payload, Fault& fault) const noexcept {
    if (pins_.empty() || !pins_.contains(payload)) return true;
    fault.kind = FaultKind::pinned;
    return false;
  }
  [[nodiscard]] bool find(const Handle& handle, LiveBlock& live, Fault& fault) const noexcept;
  bool hold(const LiveBlock& live, Pinned& pinned);
  void drop_pin(Offset payload) noexcept;
  // Of a region that was borrowed, and is this heap's alone: the granule behind it.
  [[nodiscard]] bool has_sentinel() const noexcept {
    return keeper_ != nullptr && hooks_ == nullptr;
  }
  void watch_sentinel(Findings& findings) const;
  [[nodiscard]] BlockInfo shown(const BlockView& view) const noexcept;
  [[nodiscard]] BlockInfo culprit(const Fault& finding) const noexcept;
  // Completes a fault for `payload`, and marks the heap as damaged if that is what it says.
  void blame(Fault& fault, Address payload) noexcept;

 private:
  Lock lock_;
  Options options_;
  Region region_;
  Size size_;
  Size front_;   // bytes before each payload
  Size unused_;  // bytes before the first block
  Address real_;
  Address base_;
  Size largest_align_;
  Address origin_;                       // of the first block
  std::shared_ptr<void> keeper_;         // of a region that was borrowed
  std::unique_ptr<CoreInterface> core_;  // none once the heap is closed
  std::unique_ptr<SharingHooks> hooks_;  // none in a heap of one process
  SharingHooks::Common common_;
  std::unordered_map<Offset, std::size_t> pins_;  // by payload
  std::size_t region_pins_ = 0;
};

}  // namespace glassheap
