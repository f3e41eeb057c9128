// core.hpp: what a heap can do, whatever its policy: the seam between the facade and HeapCore<P>.
//
// One virtual call an operation, so that a policy can be chosen by name at run time, while inside
// HeapCore<P> every call is direct. Places are offsets; nothing here locks.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "block/walk.hpp"
#include "check/checker.hpp"
#include "check/intent_record.hpp"
#include "core/counters.hpp"

namespace glassheap {

struct CoreSettings {
  bool headers = true;
  std::uint32_t magic = 0xDEADBEEF;
  bool zero_on_free = false;
  bool redzones = false;
};

// Of a heap that processes share: what each of them must have the same.
struct Sharing {
  ArrayArena arena;                // for the block map and the policy
  const Key* key = nullptr;        // of the seal
  IntentRecord* intent = nullptr;  // what is being changed
};

// The numbers that a core keeps beside its arrays, as bytes.
struct CoreState {
  std::array<std::byte, 512> bytes{};
};

class CoreInterface {
 public:
  CoreInterface() = default;
  CoreInterface(const CoreInterface&) = delete;
  CoreInterface& operator=(const CoreInterface&) = delete;
  virtual ~CoreInterface() = default;

  // What a core does first: makes all of the region one free block, or, where an earlier core has
  // left its arrays, takes up its numbers; and what one does that others will follow.
  virtual void seed() noexcept = 0;
  // Before load and store, once: the numbers stay where they are. Throws std::bad_alloc.
  void index_state();
  void load(const CoreState& state) noexcept;
  void store(CoreState& state) noexcept;
  // Makes everything anew from where the block map says that blocks start, and from what was in
  // flight when somebody died. False, and a fault, if that does not add up; the heap is then to be
  // refused. Throws std::bad_alloc, and has changed nothing, if there is no memory to read it into.
  virtual bool rebuild(const Intent& in_flight, Fault& fault) = 0;
  // The same from the headers alone, where the map does not add up: what has a sound one is a live
  // block, and all else is free. False for a heap without headers.
  virtual bool salvage(Fault& fault) = 0;
  [[nodiscard]] virtual std::size_t arena_bytes() const noexcept = 0;

  // Each call below that is refused says why in `fault` and changes nothing but Counters::failures. Of
  // a shortage it says what was asked for; what there is instead can be asked for when it returns.

  // The block that serves `size` bytes with a payload aligned to `align` (a power of two, from 16).
  virtual Block allocate(Size size, Size align, Fault& fault) noexcept = 0;
  // Gives back the block with this payload.
  virtual bool release(Offset payload, Fault& fault) noexcept = 0;
  // Gives the block with this payload another size: the block that it is then.
  virtual Block reallocate(Offset payload, Size size, Size align, Fault& fault) noexcept = 0;

  // The payloads of a block for each of `sizes`, as so many calls of allocate would give them.
  // Throws std::bad_alloc, and has changed nothing, if there is no memory to take notes in.
  // `refused` is the index of the size that `fault` is about.
  virtual bool allocate_many(std::span<const Size> sizes, std::span<Offset> payloads,
                             std::size_t& refused, Fault& fault) = 0;
  // Gives back each of these blocks. `refused` is the index of the payload that `fault` is about.
  virtual bool release_many(std::span<const Offset> payloads, std::size_t& refused,
                            Fault& fault) noexcept = 0;

  // The block that has this payload, if it is live and its header is sound.
  [[nodiscard]] virtual bool find(Offset payload, LiveBlock& live, Fault& fault) const noexcept = 0;
  // Frees everything. The bytes of payloads stay; those of headers and nodes do not.
  virtual void reset() noexcept = 0;

  [[nodiscard]] virtual Findings inspect() const = 0;
  [[nodiscard]] virtual std::vector<BlockView> walk() const = 0;
  [[nodiscard]] virtual BlockView view_at(
      Offset at) const noexcept = 0;  // the block with that byte
  [[nodiscard]] virtual std::vector<Block> free_list() const = 0;
  [[nodiscard]] virtual Size largest()
      const noexcept = 0;  // extent of the largest free block, or 0
  // The sum of what the free blocks offer: O(1), or with headers and redzones O(n) in them.
  [[nodiscard]] virtual Size available() const noexcept = 0;
  [[nodiscard]] virtual const Layout& layout() const noexcept = 0;
  [[nodiscard]] virtual Size own_memory() const noexcept = 0;  // bytes outside the region
  [[nodiscard]] virtual const BlockMap& map() const noexcept = 0;
  [[nodiscard]] virtual const Counters& counters() const noexcept = 0;

 protected:
  // Where the numbers are that load and store are about; as many as there are.
  struct StateField {
    void* at;
    std::size_t size;
  };
  using StateFields = std::array<StateField, 12>;
  virtual std::size_t state_fields(StateFields& list) noexcept = 0;

 private:
  std::vector<StateField> state_words_;  // the same, each of up to a word
};

}  // namespace glassheap
