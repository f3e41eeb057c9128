// heap.hpp: a heap over one region of memory, whatever its policy.
//
// A call that can be refused takes a Fault& as its last parameter. A refused call sets it, and
// changes nothing but the count of failures. Any number of threads may call one heap, unless it was
// opened for one (Options::threads). All sizes are in bytes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"
#include "glassheap/owners.hpp"
#include "glassheap/types.hpp"

namespace glassheap {

struct HeapState;  // internal

struct Stats {
  Size size = 0;
  Size live_blocks = 0;  // a count; the blocks of the quarantine are neither live nor in the list
  Size free_blocks = 0;  // a count
  Size requested = 0;    // asked for and live
  Size used = 0;         // from the region's first byte to the end of its highest live block
  Size available = 0;    // sum of the node sizes
  Size largest_free = 0;
  Size overhead = 0;  // headers and rounding of the live blocks
  Size peak_requested = 0;
  Size peak_used = 0;
  std::uint64_t mallocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t reallocs = 0;
  std::uint64_t failures = 0;
  Size quarantined = 0;         // extents of the blocks that wait in the quarantine
  std::uint64_t recovered = 0;  // of a shared heap: processes that died inside a call
  std::uint64_t waits = 0;      // requests that lined up for memory
  std::uint64_t waited = 0;     // nanoseconds that these waited in all

  // 1 - largest_free / available; 0 when nothing is available.
  [[nodiscard]] double external_fragmentation() const noexcept;
};

// A reference to a block that tells when the block was freed, or the heap reset.
struct Handle {
  Address address = 0;
  Size size = 0;
  std::uint64_t epoch = 0;   // resets of the heap before it
  std::uint16_t serial = 0;  // allocation number, modulo 65,536
};

// How much of the region is taken, in bytes.
struct Footprint {
  Size used = 0;   // from the region's first byte to the end of its highest live block
  Size taken = 0;  // by live blocks, headers and rounding included
};

struct FreeBlock {
  Address address;  // of the node, the first byte of the free block
  Size size;        // payload that the node offers
};

struct BlockInfo {
  Address start;    // the first byte of the block
  Address address;  // the first byte of its payload
  Size size;        // asked for (live) or on offer (free)
  Size extent;      // taken in all
  bool live;
  std::uint16_t serial;  // 0 for a free block
};

// Live blocks to free for a request, and the hole that they make, as walk() would then give it.
struct Eviction {
  std::vector<BlockInfo> blocks;  // in address order; none if the request can be served now
  double cost = 0;                // the sum over these blocks
  Address address = 0;            // where a payload in the hole starts
  Size size = 0;                  // on offer in the hole
};

// The cost of each of these live blocks, which are in address order. A block stays if its cost is no
// number from 0 upwards, or infinite. It may call the heap, and throw.
using Pricing = std::function<std::vector<double>(std::span<const BlockInfo> live)>;

// A broken rule, as check() finds it.
struct Finding {
  Fault fault;
  BlockInfo culprit{};   // the live block that most likely wrote there; extent 0: none is suspect
  std::string sentence;  // sentence(fault), and one about the culprit
};
using Findings = std::vector<Finding>;

class Heap {
 public:
  // Opens a heap over fresh private pages. Returns null for a size out of range (invalid_size), a
  // base that is no multiple of 16 (invalid_base), an unknown policy (unknown_policy), an option
  // that the policy does not take (unwanted_option), or when the system refuses the pages
  // (no_pages). Throws std::bad_alloc if there is no memory for the block map and the policy's
  // index.
  [[nodiscard]] static std::unique_ptr<Heap> open(const Options& options, Fault& fault);

  // Opens a heap over `span`, borrowed bytes that `keeper` keeps until the heap is closed. The
  // region is the largest whole number of granules in it that begins on one, less a last one, the
  // sentinel, which check() compares. With a base it begins where that agrees with the real address
  // modulo a larger alignment: 64 from 1 KiB on, 4096 from 256 KiB on. Bytes outside of these are
  // never written. options.size is not used. Refuses and throws as open() does, and refuses bytes
  // that another heap of this process lies over (region_in_use), and options.huge_pages
  // (unwanted_option). A heap may lie in a live block of another, which is `outer` then.
  [[nodiscard]] static std::unique_ptr<Heap> over(std::span<std::byte> span,
                                                  std::shared_ptr<void> keeper,
                                                  const Options& options, Fault& fault,
                                                  const Heap* outer = nullptr);
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  virtual ~Heap();

  // --- Blocks by address. ----------------------------------------------------------------------

  // These return the address of a payload; 0 if refused. `align` is a power of two up to
  // align_limit(), by default default_align(). malloc and free do not read `fault`, and write it as a
  // whole if they refuse: it need not have been cleared (UnsetFault). In an offset heap 0 may be a
  // payload too: then fault.kind is none.
  Address malloc(Size size, Fault& fault) noexcept;
  Address malloc(Size size, Size align, Fault& fault) noexcept;
  Address calloc(Size count, Size size, Fault& fault) noexcept;
  Address realloc(Address payload, Size size, Size align, Fault& fault) noexcept;
  // The same in an offset heap, whose blocks stay where they are, or are refused (must_move), unless
  // the caller copies their bytes. If the block must move, this allocates another one, calls `move`
  // once, without the heap's lock, while both are live and neither can be freed, and then frees the
  // old one. If `move` throws, it frees the new one, and passes the exception on. Throws
  // std::bad_alloc if there is no memory for the pins.
  using Move = std::function<void(Address from, Address to, Size size)>;
  Address realloc(Address payload, Size size, Size align, const Move& move, Fault& fault);
  bool free(Address payload, Fault& fault) noexcept;
  Size usable_size(Address payload, Fault& fault) noexcept;

  // `addresses` has as many places as `sizes`. Fault::index tells which of a batch was refused.
  bool malloc_many(std::span<const Size> sizes, std::span<Address> addresses, Fault& fault);
  // Frees from the highest address down. Overwrites `addresses`. Skips address 0, but in an offset
  // heap.
  bool free_many(std::span<Address> addresses, Fault& fault);

  // --- Requests that wait. ---------------------------------------------------------------------

  // As malloc and acquire, but a request that no free block serves waits until others free enough,
  // at most so many seconds. Requests are served in order of arrival: one that waits is not overtaken
  // by later ones that wait, however small; only by malloc and acquire themselves. When the time is
  // over a last attempt is made, in any order. Refused as interrupted if a hook ends the wait.
  Address malloc_within(double seconds, Size size, Size align, Fault& fault) noexcept;
  bool acquire_within(double seconds, Size size, Size align, Handle& handle, Fault& fault) noexcept;

  // The same for an event loop, which does not sleep here. Makes the request if it is its turn;
  // otherwise, or if it is refused as out_of_memory, `ticket` is its place in the line: 0 before the
  // first call, when it was served, and if the line is full. The loop calls again with the ticket when
  // it hears the bell, a number of which the upper half names the socket that listens, and at least
  // ten times a second; and leave_line() if it gives up. With the bell 0 nothing lines up.
  Address malloc_in_turn(std::uint64_t& ticket, std::uint64_t bell, Size size, Size align,
                         Fault& fault) noexcept;
  void leave_line(std::uint64_t ticket) noexcept;

  // --- Blocks by handle. -----------------------------------------------------------------------

  // As malloc and free. A handle whose block is gone is refused as stale.
  bool acquire(Size size, Size align, Handle& handle, Fault& fault) noexcept;
  bool release(const Handle& handle, Fault& fault) noexcept;
  bool is_current(const Handle& handle, Fault& fault) noexcept;
  // The handle of a live block.
  bool handle_of(Address payload, Handle& handle, Fault& fault) noexcept;
  // The handle of the live block in whose payload a granule begins at `inside`.
  bool handle_around(Address inside, Handle& handle, Fault& fault) noexcept;

  // --- Pins. -----------------------------------------------------------------------------------

  // A pinned block is refused to free and realloc, and its heap to reset and close, until it has
  // been unpinned as often. Pinning gives the exact size and the real place of the payload. Throws
  // std::bad_alloc if there is no memory to note the pin.
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

  // realloc and free for a caller that has pinned the block once. The pin moves along in the same
  // step, so no other thread can free the block, or reset the heap, in between. A block with other
  // pins stays. free_pinned() drops the caller's pin in any case, even if the block must stay.
  Address realloc_pinned(Address payload, Size size, Size align, Fault& fault) noexcept;
  bool free_pinned(Address payload, Fault& fault) noexcept;
  // Drops the caller's pin alone.
  void unpin_at(Address payload) noexcept;

  // --- After a fork. ---------------------------------------------------------------------------

  // A child has a copy of its parent's heap, but shares one in shared memory with it: there, what
  // the child inherits is its parent's. Both are for destructors, which must leave that alone.

  // The forks that led to this process; 0 for a heap of one process. An object that was made in the
  // heap when the number was another one is inherited.
  [[nodiscard]] unsigned forks() const noexcept;
  // True if this process allocated the live block with this payload, through this Heap and since it
  // was forked. True in a heap of one process.
  [[nodiscard]] bool allocated_here(Address payload) noexcept;

  // --- Reports. --------------------------------------------------------------------------------

  // Returns true if `payload` is the payload of a live block.
  [[nodiscard]] bool contains(Address payload, Fault& fault) noexcept;
  [[nodiscard]] std::vector<FreeBlock> free_list(Fault& fault);
  // The sizes in list order on one line, Free(112)->Free(3824), or (none); no line break.
  [[nodiscard]] std::string free_list_line(Fault& fault);
  [[nodiscard]] std::vector<BlockInfo> walk(Fault& fault);
  // The live blocks of least total cost whose release makes one hole that serves malloc(size, align);
  // nothing if no blocks would do, or if the call is refused. Of equal sets, that which ends at the
  // lowest address. A block with a view stays, whatever its price. The blocks and their prices are of
  // one time, and the heap may have changed since. O(n) in the number of blocks; O(n^3 log n) in
  // sequential_fit with a list that is not by address, for blocks that are freed in address order.
  // Throws std::bad_alloc, and what `price` throws.
  [[nodiscard]] std::optional<Eviction> cheapest(Size size, Size align, const Pricing& price,
                                                 Fault& fault);
  // Every broken rule, by place. A heap that breaks one is damaged from then on.
  [[nodiscard]] Findings check(Fault& fault);
  [[nodiscard]] Stats stats(Fault& fault);
  // O(1); where free blocks may touch also O(1) for each free block behind the last live one.
  [[nodiscard]] Footprint footprint(Fault& fault) noexcept;
  [[nodiscard]] Size available_memory(Fault& fault) noexcept;
  [[nodiscard]] Size largest_free(Fault& fault) noexcept;
  [[nodiscard]] Size live_blocks(Fault& fault) noexcept;
  // The sentence of a fault that this heap reported. For out_of_memory also who holds most of the
  // memory, or, if fragmentation is the cause, the live blocks between the two largest free blocks,
  // and how few bytes freed would do: as the heap is now, and omitted if it cannot be read. O(n) in
  // the number of blocks then, O(n log n) with the buddy policy.
  [[nodiscard]] std::string explain(const Fault& reported);
  // Bytes that the heap takes outside its region: block map, index, the records of free blocks, the
  // ledger of tags, and itself. Of an offset heap also 16 bytes for each granule, which the system
  // gives when a block has begun there.
  [[nodiscard]] Size own_memory(Fault& fault) noexcept;

  // --- Owners. ---------------------------------------------------------------------------------

  // Blocks get tags by a Tag (below), or by these. In a shared heap the tags are this process's own:
  // blocks that others have allocated have none here.

  // Returns the number of the tag with this text, which it keeps until drop_tag() was called as
  // often. The heap keeps tags from the first call on, if it was not opened with Options::tags.
  // Returns 0, which is no tag, inside a signal handler that has interrupted a call on the heap.
  // Throws std::bad_alloc. O(1); now and then O(n), to drop tags that no block has any more.
  [[nodiscard]] TagId hold_tag(std::string_view text);
  void drop_tag(TagId tag) noexcept;
  // Gives a held tag to a block that the caller has allocated, and not freed. O(1), without a lock.
  void set_tag(Address payload, TagId tag) noexcept;
  // For a binding that sets a tag for all calls in a scope: counts these scopes, so that a call may
  // see by one test that it is in none.
  void enter_tag_scope() noexcept { tag_scopes_.fetch_add(1, std::memory_order_relaxed); }
  void leave_tag_scope() noexcept { tag_scopes_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] bool has_tag_scopes() const noexcept {
    return tag_scopes_.load(std::memory_order_relaxed) != 0;
  }

  // True if the heap was opened with Options::record.
  [[nodiscard]] bool records() const noexcept { return records_; }
  // Records that a malloc found no memory: the last of several attempts (Announcement).
  void record_failure(Size size, Size align) noexcept;

  // The live blocks by their tags, the most bytes first. O(n log n).
  [[nodiscard]] std::vector<TagUsage> by_tag(Fault& fault);
  // At most `count` live blocks, the oldest first. O(n log count).
  [[nodiscard]] std::vector<TaggedBlock> oldest(std::size_t count, Fault& fault);
  // The cause of an out_of_memory that this heap reported, and the blocks that matter, as they are
  // now. Takes as long as explain().
  [[nodiscard]] Diagnosis diagnose(const Fault& shortage);
  // How often calls of this process were refused, by reason: the causes of an out_of_memory first,
  // also those that never were. O(1).
  [[nodiscard]] std::vector<RefusalCount> refusals(Fault& fault);

  [[nodiscard]] Size size() const noexcept;
  [[nodiscard]] Address base() const noexcept;
  [[nodiscard]] Address address() const noexcept;  // the real one; 0 in an offset heap
  [[nodiscard]] Size align_limit() const noexcept;
  [[nodiscard]] Size default_align() const noexcept;
  // Extents and addresses are multiples of it: 16, or Options::granule.
  [[nodiscard]] Size granule() const noexcept;
  // False for an offset heap, which describes memory that it never touches.
  [[nodiscard]] bool has_bytes() const noexcept;
  [[nodiscard]] const Options& options() const noexcept;

  // --- The heap as a whole. --------------------------------------------------------------------

  // Frees every block, whatever state the heap is in; it is not damaged afterwards.
  bool reset(Fault& fault) noexcept;
  // Gives the region back. Closing a closed heap does nothing.
  bool close(Fault& fault) noexcept;
  [[nodiscard]] bool closed() noexcept;

 protected:
  explicit Heap(std::unique_ptr<HeapState> state) noexcept;
  [[nodiscard]] HeapState& state() const noexcept { return *state_; }

 private:
  friend class Announcement;

  std::unique_ptr<HeapState> state_;
  std::atomic<std::uint32_t> tag_scopes_ = 0;
  const bool records_;
};

// Holds a tag of a heap, which must outlive it. Throws std::bad_alloc.
//
//     const Tag tag(heap, "request-17");
//     tag.put_on(heap.malloc(100, granule_size, fault));
class Tag {
 public:
  // `text` has 1 to longest_tag bytes of UTF-8.
  Tag(Heap& heap, std::string_view text) : heap_(&heap), id_(heap.hold_tag(text)) {}
  ~Tag() { heap_->drop_tag(id_); }
  Tag(const Tag&) = delete;
  Tag& operator=(const Tag&) = delete;

  [[nodiscard]] TagId id() const noexcept { return id_; }
  // As Heap::set_tag(). Does nothing for address 0, that of no block.
  void put_on(Address payload) const noexcept {
    if (payload != 0) heap_->set_tag(payload, id_);
  }

 private:
  Heap* heap_;
  TagId id_;
};

}  // namespace glassheap
