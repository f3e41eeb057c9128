// heap_core.hpp: HeapCore<P>, which is malloc and free for any placement policy P.
//
//     allocate   = find_free, vet    |  split, write the header
//     release    = check, vet        |  free, coalesce
//     reallocate = check, vet        |  shrink, or grow into the right neighbour, or move
//
// Left of the bar everything is computed and checked, and nothing is written. Right of the bar
// nothing can fail. A refused call therefore leaves the region and the block map as they were.
//
// malloc and free of nearly all heaps are compiled apart, for a known shape (plain_calls.hpp). All
// other calls are the functions of CoreInterface, for a heap of any shape.
#pragma once

#include <functional>

#include "check/recovery.hpp"
#include "core/batches.hpp"
#include "core/core_interface.hpp"
#include "core/passes.hpp"
#include "core/plain_calls.hpp"
#include "core/undo_log.hpp"
#include "space/space_for.hpp"

namespace glassheap {

template <Policy P>
class HeapCore final : public CoreInterface {
  template <typename Core, Shape shape>
  friend class PlainCalls;

 public:
  // A new core must then be seeded, or load a state.
  template <typename... PolicySettings>
  HeapCore(std::span<std::byte> region, const CoreSettings& settings, const Sharing& sharing,
           const PolicySettings&... of_policy)
      : space_(BlockBytes(region, settings.layout(has_buddies, sharing.journal != nullptr),
                          settings.magic, settings.fill(), sharing.key),
               sharing.arena, of_policy...),
        counters_(sharing.counters == nullptr ? own_counters_ : *sharing.counters),
        zero_on_free_(settings.zero_on_free),
        wipes_(settings.zero_on_free || settings.redzones),
        recorder_(sharing.journal, space_.map(), space_.bytes().layout) {}

  [[gnu::cold]] void seed() noexcept override {
    if (watches()) redzone::fill(space_.bytes(), {0, space_.bytes().size()});
    space_.map().clear();
    space_.seed();
  }
  bool load(const CoreState& state) noexcept override {
    visit_state(StateReader(state));
    const bool possible_map = space_.map().confine_state();  // each, whatever the others are
    return space_.confine_state() && possible_map;
  }
  void store(CoreState& state) noexcept override { visit_state(StateWriter(state)); }
  [[gnu::cold]] bool rebuild(const Intent& in_flight, Fault& fault) override {
    return rebuild(read_recovered_blocks(space_.map(), in_flight), fault);
  }
  [[gnu::cold]] bool salvage(Fault& fault) override {
    return space_.bytes().layout.has_headers() && rebuild(search_headers(space_.bytes()), fault);
  }
  [[nodiscard]] std::size_t arena_bytes() const noexcept override {
    return space_.map().arena().taken();
  }

  Block allocate(Size size, Size align, Fault& fault) noexcept override {
    Plan plan;
    if (!make_plan(size, align, plan, fault, do_nothing)) return {};
    ++counters_.mallocs;
    return take<Shape::any>(plan, size);
  }
  bool release(Offset payload, Fault& fault) noexcept override {
    LiveBlock freed;
    if (!checker().find(payload, freed, fault)) return false;
    if (!give_back<Shape::any>(freed)) {
      static_cast<void>(space_.may_release(freed.block, fault));
      return false;
    }
    ++counters_.frees;
    return true;
  }

  [[nodiscard]] const FrontCalls* front_calls() const noexcept override {
    if (wipes_) return nullptr;
    if (recorder_.is_shared()) return &PlainCalls<HeapCore, Shape::shared>::calls;
    return space_.bytes().layout.has_headers() ? &PlainCalls<HeapCore, Shape::headers>::calls
                                               : &PlainCalls<HeapCore, Shape::bare>::calls;
  }

  // The serials of these mallocs are taken: each block had the one behind its own.
  void count_cached(std::uint64_t pairs, Size requested) noexcept override {
    counters_.add_pairs(pairs, requested);
    serial_ = static_cast<std::uint16_t>(serial_ + pairs);
  }

  Block reallocate(Offset payload, Size size, Size align, Fault& fault) noexcept override {
    LiveBlock live;
    if (!checker().find(payload, live, fault)) return {};
    const Block now = fits_in_place(live.block, size, align) ? resize(live, size, fault)
                                                             : move(live, size, align, fault);
    if (!now) return {};
    recorder_.own(now);
    ++counters_.reallocs;
    return now;
  }

  bool allocate_many(std::span<const Size> sizes, std::span<Offset> payloads, std::size_t& refused,
                     Fault& fault) override {
    if (carve<P>(batch_parts(), sizes, payloads)) return true;
    const State before{counters_, serial_};
    BatchUndoLog undo_log(space_.bytes(), space_.map(), space_);
    recorder_.begin_call();
    refused = 0;
    try {
      for (; refused < sizes.size(); ++refused) {
        Plan plan;
        if (!make_plan(sizes[refused], granule_size, plan, fault, undo_log.noting_pass())) break;
        undo_log.note(refused, plan.split);
        payloads[refused] = payload_of(take<Shape::any>(plan, sizes[refused]));
      }
    } catch (const std::bad_alloc&) {
      undo(undo_log, payloads.first(refused), before);
      throw;
    }
    if (refused < sizes.size()) {
      undo(undo_log, payloads.first(refused), before);
      return false;
    }
    recorder_.keep(payloads);
    recorder_.end_call();
    counters_.mallocs += sizes.size();
    return true;
  }

  bool release_many(std::span<Offset> payloads, std::size_t& refused,
                    Fault& fault) noexcept override {
    if (release_runs<P>(batch_parts(), payloads)) return true;
    if (!all_sound(payloads, refused, fault) ||
        !all_distinct(space_.map(), recorder_, payloads, refused, fault))
      return false;
    put_highest_first(payloads, space_.bytes().size());
    LiveBlock freed;
    for (const Offset payload : payloads) {
      if (checker().find(payload, freed, fault) && give_back<Shape::any>(freed)) ++counters_.frees;
    }
    recorder_.end_call();
    return true;
  }

  [[nodiscard]] bool find(Offset payload, LiveBlock& live, Fault& fault) const noexcept override {
    return checker().find(payload, live, fault);
  }

  [[gnu::cold]] void reset() noexcept override {
    recorder_.begin(Block{0, space_.bytes().size()});
    recorder_.disown_all({0, space_.bytes().size()});
    if (!watches()) clear_fronts(space_.bytes(), space_.map(), zero_on_free_);  // else seed() fills
    counters_.requested = counters_.taken = 0;
    seed();
  }

  [[nodiscard, gnu::cold]] std::vector<BrokenRule> inspect() const override {
    Faults faults;
    checker().inspect(faults, space_.coalesces_all());
    space_.policy().inspect(faults);
    if (faults.empty()) checker().inspect_sums(counters_.requested, counters_.taken, faults);
    return checker().with_culprits(std::move(faults));
  }

  [[nodiscard]] std::vector<BlockView> walk() const override {
    return view_all(space_.bytes(), space_.map());
  }

  [[nodiscard, gnu::cold]] std::vector<Block> free_list() const override {
    std::vector<Block> list;
    list.reserve(space_.map().free_blocks());
    space_.policy().list([&list](Block block) { list.push_back(block); });
    return list;
  }

  [[nodiscard]] Size largest() const noexcept override { return space_.policy().largest(); }
  [[nodiscard]] Size own_memory() const noexcept override {
    return sizeof *this + space_.map().own_memory() + space_.policy().own_memory();
  }
  [[nodiscard]] Size available() const noexcept override {
    const Layout& layout = space_.bytes().layout;
    if (layout.front + layout.back > granule_size)
      return available_bytes(space_.bytes(), space_.map());
    const Size kept = counters().taken + space_.map().free_blocks() * (layout.front + layout.back);
    return space_.bytes().size() - std::min(kept, space_.bytes().size());
  }
  [[nodiscard]] const Layout& layout() const noexcept override { return space_.bytes().layout; }
  [[nodiscard]] BlockBytes& bytes() noexcept override { return space_.bytes(); }
  [[nodiscard]] const BlockMap& map() const noexcept override { return space_.map(); }
  [[nodiscard]] Counters counters() const noexcept override {
    return counters_.confined(space_.bytes().size());
  }

 private:
  using FreeSpace = typename SpaceFor<P, P::coalescing>::Type;
  using BatchUndoLog = UndoLog<FreeSpace, typename P::Mark>;

  static constexpr Size largest_near = P::largest_near;
  static constexpr bool has_buddies = P::coalescing == Coalescing::buddies;
  // A split, and the place of the free block in the policy's structure.
  struct Plan {
    Split split;
    typename FreeSpace::Place place{};
  };
  struct State {
    Counters counters;
    std::uint16_t serial = 0;
  };

  // Calls visit(field) for each field of the state.
  template <typename Visit>
  [[gnu::always_inline]] void visit_state(Visit visit) noexcept {
    constexpr std::size_t words_of_map_and_serial = 4;
    constexpr std::size_t of_policy = sizeof space_ - sizeof(BlockBytes) - sizeof(BlockMap);
    static_assert(of_policy + words_of_map_and_serial * 8 <= sizeof(CoreState));
    space_.map().visit_state(std::ref(visit));
    space_.visit_state(std::ref(visit));
    visit(serial_);
  }

  // Made where it is used: then the compiler knows what it refers to.
  [[nodiscard]] Checker checker() const noexcept { return {space_.bytes(), space_.map()}; }

  // --- Left of the bar: these only read. --------------------------------------------------------

  [[nodiscard]] Size extent_for(Size size) const noexcept {
    return space_.bytes().layout.extent_for(size);
  }
  // The same for a plain shape.
  template <Shape shape>
  [[nodiscard]] Size extent_as(Size size) const noexcept {
    return Layout{front_of(shape, space_.bytes().layout), 0, has_buddies}.extent_for(size);
  }
  [[nodiscard]] Offset payload_of(Block block) const noexcept {
    return space_.bytes().layout.payload_of(block.start);
  }

  // Plans the split that serves a request. Returns true if the node of its free block is sound.
  [[nodiscard]] bool make_plan(Size size, Size align, Plan& plan, Fault& fault, auto before_pass) {
    const Request request{extent_for(std::min(size, largest_region)), align};
    Block from;
    if (size <= largest_region && !find_free(space_, recorder_, request, from, fault, before_pass))
      return false;
    if (!from) return refuse(size, align, fault), false;
    if (recorder_.is_shared() && !space_.vet_offer(from, request, fault)) return false;
    plan.split = plan_split(space_.bytes(), from, request);
    if (!space_.vet(from, plan.place)) return space_.check(from, fault);
    return !watches() || vet_fill(plan.split, fault);
  }

  // Returns true if free memory and the bytes behind payloads are watched (redzone.hpp).
  [[nodiscard]] bool watches() const noexcept { return space_.bytes().layout.has_redzones(); }

  // Returns true if the bytes that the split hands out or writes over still hold their fill.
  [[nodiscard]] bool vet_fill(const Split& split, Fault& fault) const noexcept {
    return redzone::fill_holds(space_.bytes(), split.from, split.taken.end(), split.rest, fault);
  }

  [[gnu::cold, gnu::noinline]] void refuse(Size size, Size align, Fault& fault) noexcept {
    ++counters_.failures;
    fault.kind = FaultKind::out_of_memory;
    fault.argument = size;
    fault.shortage.align = align;
  }

  [[nodiscard]] bool fits_in_place(Block block, Size size, Size align) const noexcept override {
    if (size > largest_region || !space_.bytes().is_aligned(payload_of(block), align)) return false;
    const Size extent = extent_for(size);
    if (extent <= block.extent) return true;
    return extent <= block.extent + space_.map().free_starting_at(block.end()).extent &&
           FreeSpace::may_stand(block.start, extent);
  }

  [[nodiscard]] bool all_sound(std::span<const Offset> payloads, std::size_t& refused,
                               Fault& fault) const noexcept {
    LiveBlock live;
    for (refused = 0; refused < payloads.size(); ++refused) {
      if (!checker().find(payloads[refused], live, fault) || !space_.may_release(live.block, fault))
        return false;
    }
    refused = 0;
    return payloads.size() < 2 || space_.may_release_many(fault);
  }

  // --- Right of the bar: these write, and cannot fail. ------------------------------------------

  template <Shape shape>
  Block take(const Plan& plan, Size size) noexcept {
    const Split& split = plan.split;
    if constexpr (may_be_shared(shape)) recorder_.begin(split);
    space_.template apply<shape>(split, plan.place);
    space_.on_allocate(split.taken);
    space_.bytes().template write_header_as<shape>(split.taken.start, size, ++serial_);
    if (shape == Shape::any && watches()) redzone::raise(space_.bytes(), split.taken, size);
    counters_as<shape>().add(counted<shape>(size, split.taken), split.taken);
    return split.taken;
  }

  // The bytes that a live block adds to Counters::requested: the requested size; the extent if the
  // layout stores no sizes.
  template <Shape shape>
  [[nodiscard]] Size counted(Size size, Block block) const noexcept {
    if constexpr (shape == Shape::headers) return size;
    return shape != Shape::bare && space_.bytes().layout.keeps_sizes() ? size : block.extent;
  }

  // Frees a live block. Returns false if the node of a block that it merges with is unsound.
  template <Shape shape>
  bool give_back(const LiveBlock& freed) noexcept {
    return release_then_pass<shape>(space_, recorder_, freed.block, [&](Block range) {
      uncount<shape>(freed);
      if constexpr (may_be_shared(shape)) recorder_.begin_release(range, freed.block);
      if constexpr (shape == Shape::any) wipe(freed.block);
    });
  }
  template <Shape shape>
  void uncount(const LiveBlock& freed) noexcept {
    counters_as<shape>().subtract(freed.size, freed.block);
  }
  // A heap of one process has its own.
  template <Shape shape>
  [[nodiscard]] Counters& counters_as() noexcept {
    return may_be_shared(shape) ? counters_ : own_counters_;
  }
  // The same for a block that is not counted, or no longer. The nodes around it are sound.
  void coalesce(Block block) noexcept {
    static_cast<void>(release_then_pass(space_, recorder_, block, [&](Block range) {
      recorder_.begin_release(range, block);
      wipe(block);
    }));
  }

  void wipe(Block block) noexcept {
    if (wipes_) redzone::fill(space_.bytes(), block);
  }

  // --- Resizing: each function vets before it writes. -------------------------------------------

  Block resize(const LiveBlock& live, Size size, Fault& fault) noexcept {
    const Block now{live.block.start, extent_for(size)};
    if (now.extent < live.block.extent) return shrink(live, now, size, fault);
    if (now.extent > live.block.extent && !grow(live.block, now, size, fault)) return {};
    if (now.extent == live.block.extent) recorder_.begin(now, now.extent, size);
    rewrite(live, now, size);
    return now;
  }

  void rewrite(const LiveBlock& live, Block now, Size size) noexcept {
    if (space_.bytes().layout.has_headers())
      space_.bytes().write_header(now.start, size, live.serial);
    if (watches()) redzone::move(space_.bytes(), live.block, now, size);
    counters_.subtract(live.size, live.block);
    counters_.add(counted<Shape::any>(size, now), now);
  }

  // Splits off the end of the block as a block of its own, and frees that.
  Block shrink(const LiveBlock& live, Block now, Size size, Fault& fault) noexcept {
    const Block tail{now.end(), live.block.end() - now.end()};
    if (!space_.may_release(tail, fault)) return {};
    recorder_.begin(live.block, now.extent, size);
    rewrite(live, now, size);
    space_.map().add_live(tail);
    coalesce(tail);
    return now;
  }

  // Moves the border between the block and its free right neighbour up.
  bool grow(Block was, Block now, Size size, Fault& fault) noexcept {
    const Block right = space_.map().free_starting_at(was.end());
    const Size more = now.extent - was.extent;
    const Block rest{right.start + more, right.extent - more};
    typename FreeSpace::Place place{};
    if (!space_.vet(right, place)) return space_.check(right, fault);
    if (watches() && !redzone::fill_holds(space_.bytes(), right, now.end(), rest, fault))
      return false;
    recorder_.begin({was.start, was.extent + right.extent}, now.extent, size);
    space_.grow(right, place, more);
    return true;
  }

  // What the release of the old block merges with is vetted first. The split may use that up, or
  // leave a new node there, which is sound.
  Block move(const LiveBlock& live, Size size, Size align, Fault& fault) noexcept {
    Plan plan;
    if (!space_.may_release(live.block, fault) || !make_plan(size, align, plan, fault, do_nothing))
      return {};
    counters_.subtract(live.size, live.block);  // first, so that no peak includes both blocks
    recorder_.begin_call();
    recorder_.mark(live.block);
    const Block now = take<Shape::any>(plan, size);
    const Offset payload = payload_of(now);
    space_.bytes().copy(payload, payload_of(live.block), std::min(size, live.size));
    recorder_.keep({&payload, 1});
    coalesce(live.block);
    recorder_.end_call();
    return now;
  }

  // --- Recovery after the death of a process. ---------------------------------------------------

  [[gnu::cold]] bool rebuild(const RecoveredBlocks& recovered, Fault& fault) noexcept {
    if (!recovered.is_consistent(space_.bytes().layout, space_.bytes().size(),
                                 space_.coalesces_all(), fault))
      return false;
    recorder_.disown_all(recovered.orphan);
    recovered.apply_to(space_.bytes(), space_.map());
    space_.rebuild_index();
    if (!recovered.have_sound_headers(checker(), fault)) return false;
    if (recovered.orphan) coalesce(recovered.orphan);
    recorder_.settle(recovered, [this](Block block) { coalesce(block); });
    const LiveSums sums = live_sums(space_.bytes(), space_.map());
    counters_.requested = sums.requested;
    counters_.taken = sums.taken;
    return true;
  }
  [[nodiscard]] BatchParts<FreeSpace> batch_parts() noexcept {
    return {space_.bytes(), space_.map(), checker(), space_, counters_, serial_, recorder_, wipes_};
  }

  [[gnu::cold]] void undo(BatchUndoLog& undo_log, std::span<const Offset> payloads,
                          const State& before) noexcept {
    const std::uint64_t failures = counters_.failures;
    undo_log.undo(payloads, recorder_);
    counters_ = before.counters;
    counters_.failures = failures;
    serial_ = before.serial;
  }

  FreeSpace space_;
  Counters own_counters_;
  Counters& counters_;  // these; or those in the segment, where a stray write may hit them
  std::uint16_t serial_ = 0;
  bool zero_on_free_;
  bool wipes_;  // fills freed blocks: zero_on_free_, or watches()
  Recorder recorder_;
};

}  // namespace glassheap
