// heap_core.hpp: HeapCore<P>, which is malloc and free for any placement policy P.
//
//     allocate   = find_free, vet    |  split, write the header
//     release    = check, vet        |  free, coalesce
//     reallocate = check, vet        |  shrink, or grow into the right neighbour, or move
//
// Left of the bar everything is computed and checked, and nothing is written. Right of the bar
// nothing can fail. A refused call therefore leaves the region and the block map as they were.
//
// allocate and release are flattened (gnu::flatten): the functions that they call are inlined into
// them, which saves a fifth of the time of a malloc and a free. A policy that walks a list gains
// nothing from this, and uses the out-of-line functions. Rare paths are kept out of line by their
// own gnu::cold or gnu::noinline.
#pragma once

#include <functional>

#include "check/recovery.hpp"
#include "core/batches.hpp"
#include "core/core_interface.hpp"
#include "core/plain_calls.hpp"
#include "core/undo_log.hpp"
#include "space/space_for.hpp"

namespace glassheap {

template <Policy P>
class HeapCore final : public CoreInterface {
 public:
  // A new core must then be seeded, or load a state.
  template <typename... PolicySettings>
  HeapCore(std::span<std::byte> region, const CoreSettings& settings, const Sharing& sharing,
           const PolicySettings&... of_policy)
      : bytes_(region, layout_for(settings, sharing), settings.magic, settings.fill(), sharing.key),
        map_(region.size(), sharing.arena),
        checker_(bytes_, map_),
        space_(bytes_, map_, of_policy...),
        counters_(sharing.counters == nullptr ? own_counters_ : *sharing.counters),
        zero_on_free_(settings.zero_on_free),
        wipes_(settings.zero_on_free || settings.redzones),
        recorder_(sharing.journal, map_, bytes_.layout) {}

  [[gnu::cold]] void seed() noexcept override {
    if (watches()) redzone::fill(bytes_, {0, bytes_.size()});
    map_.clear();
    space_.seed();
  }
  bool load(const CoreState& state) noexcept override {
    visit_state(StateReader(state));
    const bool possible_map = map_.confine_state();  // each is confined, whatever the others are
    return space_.confine_state() && possible_map;
  }
  void store(CoreState& state) noexcept override { visit_state(StateWriter(state)); }
  [[gnu::cold]] bool rebuild(const Intent& in_flight, Fault& fault) override {
    return rebuild(read_recovered_blocks(map_, in_flight), fault);
  }
  [[gnu::cold]] bool salvage(Fault& fault) override {
    return bytes_.layout.has_headers() && rebuild(search_headers(bytes_), fault);
  }
  [[nodiscard]] std::size_t arena_bytes() const noexcept override { return map_.arena().taken(); }

  [[gnu::flatten]] Block allocate(Size size, Size align, Fault& fault) noexcept override {
    Split split;
    if (walks ? !plan(size, align, split, fault) : !plan_inline(size, align, split, fault))
      return {};
    ++counters_.mallocs;
    return walks ? take(split, size) : take_inline(split, size);
  }

  [[gnu::flatten]] bool release(Offset payload, Fault& fault) noexcept override {
    LiveBlock freed;
    if (walks ? !checker_.find(payload, freed, fault)
              : !checker_.find_inline(payload, freed, fault))
      return false;
    const Release release = space_.plan_release(freed.block);
    if (checking && !space_.vet(release, fault)) return false;
    ++counters_.frees;
    counters_.subtract(freed.size, freed.block);
    coalesce_inline(freed.block, release);
    return true;
  }

  // As allocate and release, for PlainCalls. A refused call changes nothing at all: the careful
  // call that follows it counts the failure.
  Block try_allocate(Size size) noexcept {
    Fault ignored;
    const Block block = allocate(size, granule_size, ignored);
    if (ignored.kind == FaultKind::out_of_memory) [[unlikely]]
      --counters_.failures;
    return block;
  }
  bool try_release(Offset payload) noexcept {
    Fault ignored;
    return release(payload, ignored);
  }
  [[nodiscard]] const FrontCalls* front_calls() const noexcept override {
    return wipes_ || recorder_.is_shared() ? nullptr : &PlainCalls<HeapCore>::calls;
  }

  // The serials of these mallocs are taken: each block had the one behind its own.
  void count_cached(std::uint64_t pairs, Size requested) noexcept override {
    counters_.add_pairs(pairs, requested);
    serial_ = static_cast<std::uint16_t>(serial_ + pairs);
  }

  Block reallocate(Offset payload, Size size, Size align, Fault& fault) noexcept override {
    LiveBlock live;
    if (!checker_.find(payload, live, fault)) return {};
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
    BatchUndoLog undo_log(bytes_, map_, space_);
    recorder_.begin_call();
    refused = 0;
    try {
      for (; refused < sizes.size(); ++refused) {
        Split split;
        if (!plan(sizes[refused], granule_size, split, fault)) break;
        undo_log.note(refused, split);
        payloads[refused] = payload_of(take(split, sizes[refused]));
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

  bool release_many(std::span<const Offset> payloads, std::size_t& refused,
                    Fault& fault) noexcept override {
    if (release_runs<P>(batch_parts(), payloads)) return true;
    if (!all_sound(payloads, refused, fault) ||
        !all_distinct(map_, recorder_, payloads, refused, fault))
      return false;
    LiveBlock freed;
    for (const Offset payload : payloads) {
      if (!checker_.find(payload, freed, fault)) continue;
      give_back(freed);
      ++counters_.frees;
    }
    recorder_.end_call();
    return true;
  }

  [[nodiscard]] bool find(Offset payload, LiveBlock& live, Fault& fault) const noexcept override {
    return checker_.find(payload, live, fault);
  }

  [[gnu::cold]] void reset() noexcept override {
    recorder_.begin(Block{0, bytes_.size()});
    recorder_.disown_all({0, bytes_.size()});
    if (!watches()) clear_fronts(bytes_, map_, zero_on_free_);  // else seed() fills
    counters_.requested = counters_.taken = 0;
    seed();
  }

  [[nodiscard, gnu::cold]] std::vector<BrokenRule> inspect() const override {
    Faults faults;
    checker_.inspect(faults, space_.coalesces_all());
    space_.policy().inspect(faults);
    if (faults.empty()) checker_.inspect_sums(counters_.requested, counters_.taken, faults);
    return checker_.with_culprits(std::move(faults));
  }

  [[nodiscard]] std::vector<BlockView> walk() const override { return view_all(bytes_, map_); }

  [[nodiscard, gnu::cold]] std::vector<Block> free_list() const override {
    std::vector<Block> list;
    list.reserve(map_.free_blocks());
    space_.policy().list([&list](Block block) { list.push_back(block); });
    return list;
  }

  [[nodiscard]] Size largest() const noexcept override { return space_.policy().largest(); }
  [[nodiscard]] Size own_memory() const noexcept override {
    return sizeof *this + map_.own_memory() + space_.policy().own_memory();
  }
  [[nodiscard]] Size available() const noexcept override {
    const Layout& layout = bytes_.layout;
    if (layout.front + layout.back > granule_size) return available_bytes(bytes_, map_);
    const Size kept = counters().taken + map_.free_blocks() * (layout.front + layout.back);
    return bytes_.size() - std::min(kept, bytes_.size());
  }
  [[nodiscard]] const Layout& layout() const noexcept override { return bytes_.layout; }
  [[nodiscard]] BlockBytes& bytes() noexcept override { return bytes_; }
  [[nodiscard]] const BlockMap& map() const noexcept override { return map_; }
  [[nodiscard]] Counters counters() const noexcept override {
    return counters_.confined(bytes_.size());
  }

 private:
  // Inlining gains nothing where a call walks a list.
  static constexpr bool walks = P::coalescing == Coalescing::list_pass;

  using FreeSpace = typename SpaceFor<P, P::coalescing>::Type;
  using Release = typename FreeSpace::Release;
  using BatchUndoLog = UndoLog<FreeSpace, typename P::Mark>;

  struct State {
    Counters counters;
    std::uint16_t serial = 0;
  };

  [[nodiscard]] static constexpr Layout layout_for(const CoreSettings& settings,
                                                   const Sharing& sharing) noexcept {
    return {.front = settings.headers ? granule_size : 0,
            .back = settings.redzones ? granule_size : 0,
            .powers_of_two = P::coalescing == Coalescing::buddies,
            .shared = sharing.journal != nullptr};
  }

  // Calls visit(field) for each field of the state.
  template <typename Visit>
  [[gnu::always_inline]] void visit_state(Visit visit) noexcept {
    constexpr std::size_t words_of_map_and_serial = 4;
    static_assert(sizeof space_ + words_of_map_and_serial * 8 <= sizeof(CoreState));
    map_.visit_state(std::ref(visit));
    space_.visit_state(std::ref(visit));
    visit(serial_);
  }

  // --- Left of the bar: these only read. --------------------------------------------------------

  [[nodiscard]] Size extent_for(Size size) const noexcept { return bytes_.layout.extent_for(size); }
  [[nodiscard]] Offset payload_of(Block block) const noexcept {
    return bytes_.layout.payload_of(block.start);
  }

  [[nodiscard]] Block find_free(Size size, Size align, Fault& fault) noexcept {
    Block block;
    if (size <= largest_region) block = space_.policy().find_free({extent_for(size), align}, fault);
    if (!block && !fault) refuse(size, align, fault);
    return block;
  }

  // Plans the split that serves a request. Returns true if every node that it uses is sound.
  [[nodiscard]] bool plan_inline(Size size, Size align, Split& split, Fault& fault) noexcept {
    const Block from = find_free(size, align, fault);
    if (!from) return false;
    split = plan_split(bytes_, from, {extent_for(size), align});
    return (!checking || space_.vet(split, fault)) && (!watches() || vet_fill(split, fault));
  }
  [[nodiscard, gnu::noinline]] bool plan(Size size, Size align, Split& split,
                                         Fault& fault) noexcept {
    return plan_inline(size, align, split, fault);
  }

  // Returns true if free memory and the bytes behind payloads are watched (redzone.hpp).
  [[nodiscard]] bool watches() const noexcept { return bytes_.layout.has_redzones(); }

  // Returns true if the bytes that the split hands out or writes over still hold their fill.
  [[nodiscard]] bool vet_fill(const Split& split, Fault& fault) const noexcept {
    return redzone::fill_holds(bytes_, split.from, split.taken.end(), split.rest, fault);
  }

  // Returns true if `block` may be freed: a live block, or the end of one, which the map does not
  // know yet.
  [[nodiscard, gnu::noinline]] bool vet_release(Block block, Fault& fault) const noexcept {
    return space_.vet(space_.plan_release(block), fault);
  }

  [[gnu::cold, gnu::noinline]] void refuse(Size size, Size align, Fault& fault) noexcept {
    ++counters_.failures;
    fault.kind = FaultKind::out_of_memory;
    fault.argument = size;
    fault.shortage.align = align;
  }

  [[nodiscard]] bool fits_in_place(Block block, Size size, Size align) const noexcept {
    if (size > largest_region || !bytes_.is_aligned(payload_of(block), align)) return false;
    const Size extent = extent_for(size);
    if (extent <= block.extent) return true;
    return extent <= block.extent + map_.free_starting_at(block.end()).extent &&
           FreeSpace::may_stand(block.start, extent);
  }

  [[nodiscard]] bool all_sound(std::span<const Offset> payloads, std::size_t& refused,
                               Fault& fault) const noexcept {
    LiveBlock live;
    for (refused = 0; refused < payloads.size(); ++refused) {
      if (!checker_.find(payloads[refused], live, fault) || !vet_release(live.block, fault))
        return false;
    }
    refused = 0;
    return payloads.size() < 2 || space_.vet_batch(fault);
  }

  // --- Right of the bar: these write, and cannot fail. ------------------------------------------

  Block take_inline(const Split& split, Size size) noexcept {
    recorder_.begin(split);
    space_.apply(split);
    space_.on_allocate(split.taken);
    bytes_.write_header(split.taken.start, size, ++serial_);
    if (watches()) redzone::raise(bytes_, split.taken, size);
    counters_.add(counted(size, split.taken), split.taken);
    return split.taken;
  }
  [[gnu::noinline]] Block take(const Split& split, Size size) noexcept {
    return take_inline(split, size);
  }

  // The bytes that a live block adds to Counters::requested: the requested size; the extent if the
  // layout stores no sizes.
  [[nodiscard]] Size counted(Size size, Block block) const noexcept {
    return bytes_.layout.keeps_sizes() ? size : block.extent;
  }

  void give_back(const LiveBlock& freed) noexcept {
    counters_.subtract(freed.size, freed.block);
    coalesce(freed.block);
  }
  void coalesce_inline(Block block, const Release& release) noexcept {
    recorder_.begin(space_, release, block);
    wipe(block);
    space_.apply(release);
  }
  [[gnu::noinline]] void coalesce(Block block) noexcept {
    coalesce_inline(block, space_.plan_release(block));
  }

  void wipe(Block block) noexcept {
    if (wipes_) redzone::fill(bytes_, block);
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
    if (bytes_.layout.has_headers()) bytes_.write_header(now.start, size, live.serial);
    if (watches()) redzone::move(bytes_, live.block, now, size);
    counters_.subtract(live.size, live.block);
    counters_.add(counted(size, now), now);
  }

  // Splits off the end of the block as a block of its own, and frees that.
  Block shrink(const LiveBlock& live, Block now, Size size, Fault& fault) noexcept {
    const Block tail{now.end(), live.block.end() - now.end()};
    if (!vet_release(tail, fault)) return {};
    recorder_.begin(live.block, now.extent, size);
    rewrite(live, now, size);
    map_.add_live(tail);
    coalesce(tail);
    return now;
  }

  // Moves the border between the block and its free right neighbour up.
  bool grow(Block was, Block now, Size size, Fault& fault) noexcept {
    const Block right = map_.free_starting_at(was.end());
    const Size more = now.extent - was.extent;
    const Block rest{right.start + more, right.extent - more};
    if (!space_.vet_growth(right, more, fault)) return false;
    if (watches() && !redzone::fill_holds(bytes_, right, now.end(), rest, fault)) return false;
    recorder_.begin({was.start, was.extent + right.extent}, now.extent, size);
    space_.grow(right, more);
    return true;
  }

  // Vets the release of the old block for each outcome of the split, which may change the free
  // blocks beside the old block, or use them up.
  Block move(const LiveBlock& live, Size size, Size align, Fault& fault) noexcept {
    if (!vet_release(live.block, fault) || !space_.vet_alone(live.block, fault)) return {};
    Split split;
    if (!plan(size, align, split, fault) || !space_.vet_after(split, live.block, fault)) return {};
    counters_.subtract(live.size, live.block);  // first, so that no peak includes both blocks
    recorder_.begin_call();
    recorder_.mark(live.block);
    const Block now = take(split, size);
    const Offset payload = payload_of(now);
    bytes_.copy(payload, payload_of(live.block), std::min(size, live.size));
    recorder_.keep({&payload, 1});
    coalesce(live.block);
    recorder_.end_call();
    return now;
  }

  // --- Recovery after the death of a process. ---------------------------------------------------

  [[gnu::cold]] bool rebuild(const RecoveredBlocks& recovered, Fault& fault) noexcept {
    if (!recovered.is_consistent(bytes_.layout, bytes_.size(), space_.coalesces_all(), fault))
      return false;
    recorder_.disown_all(recovered.orphan);
    recovered.apply_to(bytes_, map_);
    space_.rebuild_index();
    if (!recovered.have_sound_headers(checker_, fault)) return false;
    if (recovered.orphan) coalesce(recovered.orphan);
    recorder_.settle(recovered, [this](Block block) { coalesce(block); });
    count_anew();
    return true;
  }
  void count_anew() noexcept {
    const LiveSums sums = live_sums(bytes_, map_);
    counters_.requested = sums.requested;
    counters_.taken = sums.taken;
  }

  [[nodiscard]] BatchParts<FreeSpace> batch_parts() noexcept {
    return {bytes_, map_, checker_, space_, counters_, serial_, recorder_, wipes_};
  }

  [[gnu::cold]] void undo(BatchUndoLog& undo_log, std::span<const Offset> payloads,
                          const State& before) noexcept {
    const std::uint64_t failures = counters_.failures;
    undo_log.undo(payloads, recorder_);
    counters_ = before.counters;
    counters_.failures = failures;
    serial_ = before.serial;
  }

  BlockBytes bytes_;
  BlockMap map_;
  Checker checker_;
  FreeSpace space_;
  Counters own_counters_;
  Counters& counters_;  // these; or those in the segment, where a stray write may hit them
  std::uint16_t serial_ = 0;
  bool zero_on_free_;
  bool wipes_;  // fills freed blocks: zero_on_free_, or watches()
  Recorder recorder_;
};

}  // namespace glassheap
