// shared_heap.hpp: one heap, used by many processes at once.
//
// Everything is in the segment: blocks, block map, index, lock. Addresses are offsets, the same in
// every process. A process may be killed between any two stores. The next one to enter then recovers
// the heap: the block in flight becomes free, and no other block is touched. A batch is done
// as a whole or not at all.
#pragma once

#include <optional>

#include "glassheap/heap.hpp"

namespace glassheap {

namespace shared {
class Attachment;  // internal
}

// The contents of a segment before any process recovers it.
struct Image {
  std::uint64_t recovered = 0;       // processes that died inside a call
  Offset in_flight_start = 0;        // of the range that a call was changing
  Offset in_flight_end = 0;          // 0: no call was
  Size in_flight_keep = 0;           // bytes at its start that stay a live block
  std::vector<std::uint32_t> users;  // pids of living processes that have attached
  std::vector<Address> live;         // payloads of the blocks that are live in the block map
};

// A segment, as its front describes it.
struct SegmentSummary {
  std::string policy;
  Size bytes = 0;                    // of the whole segment
  std::uint64_t recovered = 0;       // processes that died inside a call
  std::vector<std::uint32_t> users;  // pids of living processes that have attached
};

// A live block and its owner.
struct OwnedBlock {
  BlockInfo block{};
  std::uint32_t pid = 0;      // 0 if the owner is not known
  bool alive = false;         // true if that process is still attached
  std::uint32_t holders = 0;  // references to it, and tickets of copies
};

class SharedHeap final : public Heap {
 public:
  // With bytes, or an offset heap.
  enum class Kind : std::uint8_t { any, bytes, offsets };
  struct Opening {
    SegmentLocation location;
    double timeout = 10;  // seconds, for the lock and for attaching
    bool copy = false;    // a copy of an image, which no other process has
    // Of a copy: the path of the file that it was copied from, which tells who lives; or empty.
    std::string original = {};  // NOLINT(readability-redundant-member-init): GCC asks for it
    Kind kind = Kind::any;      // that attach() accepts
    bool salvage = false;  // if the block map is broken too, believe the headers; not without them
    // As Options::record, for attach().
    std::optional<std::string> record = {};  // NOLINT(readability-redundant-member-init)
  };

  // Creates a heap of wanted.size bytes in a new segment, or in all of memory that is mapped
  // already. An offset heap has wanted.size bytes in either case, and its own data in the segment,
  // which must be large enough (invalid_size). Returns null as Heap::open does, if the system refuses (system_error), and if
  // another heap of this process lies over the memory (region_in_use).
  [[nodiscard]] static std::unique_ptr<SharedHeap> create(const Options& wanted, const Opening& how,
                                                          Fault& fault);
  // Attaches to an existing heap. Returns null for bytes that are no heap of this version, machine,
  // policy and kind (bad_image; an empty `policy` accepts any), and if the heap is not ready in time
  // (attach_timeout). Returns null for mapped memory that overlaps another heap of this
  // process (region_in_use), but for attachments to the same bytes, which may be many. Where no
  // living process has attached, every block is checked: O(n).
  [[nodiscard]] static std::unique_ptr<SharedHeap> attach(const Opening& how,
                                                          const std::string& policy, Fault& fault);
  // Reads what is in a copy of a segment, and changes nothing. Refused for bytes that are no heap
  // (bad_image).
  static bool read(const Opening& how, Image& image, Fault& fault);
  // The sequence number of a heap, from the first bytes of its segment: odd during a call. None if
  // the bytes are too few.
  [[nodiscard]] static std::optional<std::uint64_t> generation(std::span<const std::byte> front);
  // Reads the front of a segment, and changes nothing. Refused for bytes that are no heap, or a heap
  // that was made in another file, or as mapped memory (bad_image).
  static bool summarize(const SegmentLocation& location, SegmentSummary& summary, Fault& fault);
  // Removes a segment, as unlink does, if no living process has attached to it. Returns false without
  // a fault if one has. Refuses what summarize() refuses.
  static bool remove_unused(const SegmentLocation& location, Fault& fault);
  // Removes the lock files in shared memory of heaps in mapped memory that no living process has
  // attached to.
  static void remove_deserted_locks();
  // Keeps every process from attaching to the segment, until the last copy of the result goes: a
  // process that attaches meanwhile waits, as long as its timeout. Returns null without a fault if a
  // living process has attached, or is attaching. Refused for bytes that are no heap (bad_image).
  [[nodiscard]] static std::shared_ptr<void> hold_unused(const SegmentLocation& location,
                                                         Fault& fault);
  // Copies the whole segment, between two calls. Refused if `bytes` is too small.
  bool copy_into(std::span<std::byte> bytes, Fault& fault) noexcept;

  // Removes the name or the file. Attached processes keep the heap.
  bool unlink(Fault& fault) const;
  // Waits until the disk has all that was written, under the lock. No effect in mapped memory.
  bool flush(Fault& fault) noexcept;
  // Writes the heap as it is between two calls to a new file, a heap of its own without users, and
  // waits until the disk has it. The lock is held while the bytes are copied to memory. Refused
  // (system_error) if there is a file at the path, no room, or no memory.
  bool backup(const std::string& path, Fault& fault);

  [[nodiscard]] const SegmentLocation& location() const noexcept { return location_; }
  // A random number of the segment, which no other one has.
  [[nodiscard]] Key identity() const noexcept { return identity_; }
  // The number of this attachment in the segment; 0 in a child that was forked, until it enters.
  [[nodiscard]] std::uint16_t number() const noexcept;

  // Adds a reference of this process to a block. The last reference that is dropped frees it.
  bool share(const Handle& handle, Fault& fault) noexcept;
  // The same for a handle that frees its block, and has no reference yet: in the process that has
  // allocated the block, and in a child that has inherited the handle. The child also notes a
  // reference for its parent, whose handle does not know that the block is shared now.
  bool share_own(const Handle& handle, Fault& fault) noexcept;
  bool share_inherited(const Handle& handle, Fault& fault) noexcept;
  // Releases the block of such a handle; if a child has noted a reference, drops that.
  bool release_own(const Handle& handle, Fault& fault) noexcept;
  // Adds a reference for a copy of the block that is sent to another process. Returns its ticket, by
  // which that process receives it; 0 if it is refused.
  std::uint64_t send(const Handle& handle, Fault& fault) noexcept;
  // Turns the ticket into a reference of this process. If the ticket was received before, or reaped,
  // adds a reference.
  bool receive(const Handle& handle, std::uint64_t ticket, Fault& fault) noexcept;
  // Drops a reference of this process; `freed` is true if it was the last.
  bool drop_ref(const Handle& handle, bool& freed, Fault& fault) noexcept;
  // Drops every reference and ticket of dead processes, and each ticket that was not received within
  // `unopened` seconds. Returns the number of blocks that were freed by that.
  std::size_t reap(double unopened, Fault& fault) noexcept;
  // Every live block and its owner. O(n).
  [[nodiscard]] std::vector<OwnedBlock> owners(Fault& fault);

 private:
  SharedHeap(SegmentLocation location, std::unique_ptr<HeapState> state,
             shared::Attachment& attachment);

  SegmentLocation location_;
  Key identity_{};
  shared::Attachment& attachment_;  // in the state's hooks
};

}  // namespace glassheap
