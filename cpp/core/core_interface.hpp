// core_interface.hpp: CoreInterface, the interface between the facade (Heap) and the core of a
// heap, which HeapCore<P> implements for each placement policy P. An operation costs one virtual
// call, so that a policy can be chosen by name at run time; calls inside HeapCore<P> are direct.
// Places are offsets into the region. Nothing here takes a lock, but the pair of front_calls().
#pragma once

#include <span>
#include <vector>

#include "block/walk.hpp"
#include "check/checker.hpp"
#include "check/journal.hpp"
#include "core/core_state.hpp"
#include "core/counters.hpp"

namespace glassheap {

struct CoreSettings {
  bool headers = true;
  std::uint32_t magic = 0xDEADBEEF;
  bool zero_on_free = false;
  bool redzones = false;
  bool shadow = false;  // of an offset heap's memory

  [[nodiscard]] constexpr Layout layout(bool of_buddies, bool shared) const noexcept {
    return {.front = headers ? granule_size : 0,
            .back = redzones ? granule_size : 0,
            .powers_of_two = of_buddies,
            .shared = shared,
            .shadow = shadow};
  }
  // The byte of free memory.
  [[nodiscard]] constexpr std::byte fill() const noexcept {
    const bool filled = redzones && !zero_on_free;
    return std::byte{filled ? std::uint8_t{GLASSHEAP_FREED} : std::uint8_t{0}};
  }
};

// The parts of a shared heap that all its processes have in common. Empty for any other heap.
struct Sharing {
  ArrayArena arena;              // storage of the block map and the policy
  const Key* key = nullptr;      // key of the seal
  Journal* journal = nullptr;    // record of the change in progress
  Counters* counters = nullptr;  // the sums of all processes
};

struct FrontCalls;  // front_line.hpp

class CoreInterface {
 public:
  CoreInterface() = default;
  CoreInterface(const CoreInterface&) = delete;
  CoreInterface& operator=(const CoreInterface&) = delete;
  virtual ~CoreInterface() = default;

  // Initialises the heap as one free block. A new core is first seeded or loaded.
  virtual void seed() noexcept = 0;
  // Takes over the state that an earlier core stored, over the arrays which that core left. Returns
  // false if no core can have stored it: then the heap is damaged, and the state is harmless.
  virtual bool load(const CoreState& state) noexcept = 0;
  // Copies out the state, for later cores over the same arrays.
  virtual void store(CoreState& state) noexcept = 0;
  // Rebuilds the whole state from the block starts and free bits in the block map, and from the
  // intent that was pending when a process died. Returns false, and sets `fault`, if these are
  // inconsistent; the heap must then be refused. Throws std::bad_alloc, having changed nothing, if
  // there is no memory for the list of blocks.
  virtual bool rebuild(const Intent& in_flight, Fault& fault) = 0;
  // The same from the headers alone, for a heap whose map is inconsistent: a block with a sound
  // header is live, and everything else is free. Returns false for a heap without headers.
  virtual bool salvage(Fault& fault) = 0;
  // Bytes taken from Sharing::arena.
  [[nodiscard]] virtual std::size_t arena_bytes() const noexcept = 0;

  // A call below that is refused sets `fault`, and changes nothing but Counters::failures. For a
  // shortage, `fault` holds the request only; the caller can then ask for the available memory.

  // Returns a block for `size` bytes, its payload aligned to `align` (a power of two, at least 16).
  virtual Block allocate(Size size, Size align, Fault& fault) noexcept = 0;
  // Frees the block with this payload.
  virtual bool release(Offset payload, Fault& fault) noexcept = 0;
  // Resizes the block with this payload, and returns the resized block, which may have moved.
  virtual Block reallocate(Offset payload, Size size, Size align, Fault& fault) noexcept = 0;

  // Returns true if reallocate() leaves a live block where it is.
  [[nodiscard]] virtual bool fits_in_place(Block block, Size size, Size align) const noexcept = 0;

  // Allocates a block for each of `sizes`, and stores its payload in `payloads`: the payloads that
  // single calls of allocate would return. The two may be the same bytes; a refused call may have
  // overwritten them. Throws std::bad_alloc, having changed nothing else, if there is no memory for
  // the undo log. `refused` is the index of the size that `fault` is about.
  virtual bool allocate_many(std::span<const Size> sizes, std::span<Offset> payloads,
                             std::size_t& refused, Fault& fault) = 0;
  // Frees each of these blocks, from the highest address down. May sort the payloads if it does.
  // `refused` is the index of the payload that `fault` is about.
  virtual bool release_many(std::span<Offset> payloads, std::size_t& refused,
                            Fault& fault) noexcept = 0;

  // The malloc and free of a heap over this core that need its locks and nothing else; null if a
  // call also has to fill memory.
  [[nodiscard]] virtual const FrontCalls* front_calls() const noexcept = 0;
  // Counts so many frees and mallocs of the same blocks, for which the core was not called, and by
  // how many bytes the mallocs asked for more than those before; this may wrap.
  virtual void count_cached(std::uint64_t pairs, Size requested) noexcept = 0;

  // Finds the live block with this payload. Returns false unless it is live with a sound header.
  [[nodiscard]] virtual bool find(Offset payload, LiveBlock& live, Fault& fault) const noexcept = 0;
  // Frees every block. Headers and nodes are cleared. Payload bytes stay as they are, except with
  // zero_on_free or redzones.
  virtual void reset() noexcept = 0;

  // Every broken rule, by place.
  [[nodiscard]] virtual std::vector<BrokenRule> inspect() const = 0;
  [[nodiscard]] virtual std::vector<BlockView> walk() const = 0;
  [[nodiscard]] virtual std::vector<Block> free_list() const = 0;
  // Extent of the largest free block, or 0.
  [[nodiscard]] virtual Size largest() const noexcept = 0;
  // Bytes that all free blocks together offer as payload. O(1); with headers and redzones O(n) in
  // the number of free blocks.
  [[nodiscard]] virtual Size available() const noexcept = 0;
  [[nodiscard]] virtual const Layout& layout() const noexcept = 0;
  // Bytes used outside the region.
  [[nodiscard]] virtual Size own_memory() const noexcept = 0;
  [[nodiscard]] virtual BlockBytes& bytes() noexcept = 0;
  [[nodiscard]] virtual const BlockMap& map() const noexcept = 0;
  // The counters, with sums that are possible in the region.
  [[nodiscard]] virtual Counters counters() const noexcept = 0;
};

}  // namespace glassheap
