// shared_heap.hpp: one heap, many processes.
//
// Everything that a process needs is in the segment (shared/superblock.hpp); each has its own
// HeapCore over it, whose numbers are written down before it leaves and read when it comes. Places
// are offsets from the region, the same in every process, whatever address it is mapped at.
//
//     enter   take the lock; its owner died? make the heap whole; read the numbers, if another was
//             here since
//     leave   write the numbers; nothing is in flight any more; leave the lock
//
// The numbers and the index are never needed to make a heap whole: they come anew from the block
// map and from what was in flight (flight.hpp). A process can be killed between any two stores; the
// block that it was about to get, or to give back, is then free, and no other is touched.
#pragma once

#include "glassheap/heap.hpp"
#include "shared/segment.hpp"
#include "shared/superblock.hpp"

namespace glassheap {

namespace shared {
class Attachment;
}

// An image as it lies there, before anybody makes it whole.
struct Image {
  std::uint64_t recovered = 0;
  Intent in_flight;                  // what was in flight
  std::vector<std::uint32_t> users;  // living processes that have attached
  std::vector<Address> live;         // payloads of blocks that the map has as live
};

// A block as it is looked at from outside: whose it is.
struct OwnedBlock {
  BlockInfo block;
  std::uint32_t pid = 0;  // 0: nobody knows
  bool alive = false;     // that process
  std::uint32_t holders = 0;
};

class SharedHeap final : public Heap {
 public:
  struct Opening {
    shared::Place place;
    double timeout = 10;  // seconds, for the lock and for attaching
    bool copy = false;    // attach to a copy, which nobody else has: whoever had the lock has not
    bool salvage =
        false;  // where the block map is broken too, go by the headers; not of bare heaps
  };

  // A new heap of wanted.size bytes in a new segment, or in as much of memory that is mapped
  // already as there is. Refused as Heap::open is, and by the system (system_error).
  [[nodiscard]] static std::unique_ptr<SharedHeap> create(const Options& wanted, const Opening& how,
                                                          Fault& fault);
  // One that is there. Refused for what is no heap, or not one of this version, machine or policy
  // (bad_image; an empty `policy` is any), and if it is not ready in time (attach_timeout).
  [[nodiscard]] static std::unique_ptr<SharedHeap> attach(const Opening& how,
                                                          const std::string& policy, Fault& fault);
  // What is in a segment, changing nothing. Refused for what is no heap (bad_image).
  static bool read(const shared::Place& place, Image& image, Fault& fault);
  // Whether somebody is inside the heap that begins with these bytes, and how many were before: odd
  // while somebody is. None if they are too few.
  [[nodiscard]] static std::optional<std::uint64_t> generation(std::span<const std::byte> front);
  // Copies all of the segment while nobody else is inside; false if there are more bytes than that.
  bool copy_into(std::span<std::byte> bytes, Fault& fault) noexcept;

  // Takes the name or the file away. Who has attached is not disturbed.
  bool unlink(Fault& fault) const;
  bool flush(Fault& fault) noexcept;

  [[nodiscard]] const shared::Place& place() const noexcept { return place_; }
  [[nodiscard]] Key identity() const noexcept { return identity_; }
  // Of this process, in the segment; 0 if there was no place for it.
  [[nodiscard]] std::uint8_t number() const noexcept;

  // Several processes hold on to a block; the last that lets go frees it.
  bool share(const Handle& handle, Fault& fault) noexcept;
  // Takes over one hold of the process with this number: what it had sent has arrived.
  bool transfer_ref(const Handle& handle, std::uint8_t from, Fault& fault) noexcept;
  // One hold less; `freed` says whether it was the last.
  bool drop_ref(const Handle& handle, bool& freed, Fault& fault) noexcept;
  // Lets go of all that dead processes hold on to; how many blocks were freed by that.
  std::size_t reap(Fault& fault) noexcept;
  // Every live block, and whose it is.
  [[nodiscard]] std::vector<OwnedBlock> owners(Fault& fault);

 private:
  SharedHeap(const Options& options, const shared::Place& place, std::span<std::byte> region,
             std::unique_ptr<CoreInterface> core, std::unique_ptr<shared::Attachment> everyone);

  shared::Place place_;
  Key identity_{};
  shared::Attachment& attachment_;  // what this process does for the others
};

}  // namespace glassheap
