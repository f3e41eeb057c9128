// heap_core.hpp: malloc and free, whatever the policy.
//
//     allocate   = find_free, vet    |  cut, write the header
//     release    = judge, vet        |  give back, coalesce
//     reallocate = judge, vet        |  shrink, or grow into the right neighbour, or move
//
// Left of the bar everything is computed and checked, and nothing is written; right of it nothing
// can fail. A call that is refused therefore leaves the region and the block map as they were.
//
// allocate and release are flattened, but where they walk a list: all that they call becomes part
// of them, which takes a fifth off a pair of calls. What is rare is kept out of line by a cold or
// noinline of its own.
#pragma once

#include "glassheap/batch.hpp"
#include "glassheap/core.hpp"
#include "glassheap/remains.hpp"
#include "glassheap/space/buddies.hpp"
#include "glassheap/space/list_order.hpp"
#include "glassheap/space/neighbours.hpp"

namespace glassheap {

// How the free blocks of a policy become one.
template <Policy P, Joining joining>
struct SpaceFor {
  using Type = NeighbourSpace<P>;
};
template <Policy P>
struct SpaceFor<P, Joining::buddies> {
  using Type = BuddySpace<P>;
};
template <Policy P>
struct SpaceFor<P, Joining::in_list_order> {
  using Type = ListSpace<P>;
};

template <Policy P>
class HeapCore final : public Core {
 public:
  // A core that is to be seeded, or to load a state.
  template <typename... PolicySettings>
  HeapCore(std::span<std::byte> region, const CoreSettings& settings, const Sharing& sharing,
           const PolicySettings&... of_policy)
      : blocks_(region, layout_for(settings, sharing), settings.magic, fill_for(settings),
                sharing.key),
        map_(region.size(), sharing.memory),
        judge_(blocks_, map_),
        space_(blocks_, map_, of_policy...),
        zero_on_free_(settings.zero_on_free),
        wipes_(settings.zero_on_free || settings.redzones),
        flight_(sharing.flight) {}

  [[gnu::cold]] void seed() noexcept override {
    if (watches()) redzone::fill(blocks_, {0, blocks_.size()});
    map_.clear();
    space_.seed();
  }
  [[gnu::cold]] bool rebuild(const Stretch& died, Fault& fault) override {
    return rebuild(read_remains(map_, died), fault);
  }
  [[gnu::cold]] bool salvage(Fault& fault) override {
    return blocks_.layout.has_headers() && rebuild(search_headers(blocks_), fault);
  }
  [[nodiscard]] std::size_t memory_taken() const noexcept override { return map_.memory().taken(); }

  [[gnu::flatten]] Block allocate(Size size, Size align, Fault& fault) noexcept override {
    if constexpr (walks) return allocate_small(size, align, fault);
    const Block from = find_free(size, align, fault);
    if (!from) return {};
    const Cut cut = plan_cut(blocks_, from, {extent_for(size), align});
    if ((checking && !space_.vet(cut, fault)) || (watches() && !vet_fill(cut, fault))) return {};
    ++tally_.mallocs;
    return take(cut, size);
  }

  [[gnu::flatten]] bool release(Offset payload, Fault& fault) noexcept override {
    if constexpr (walks) return release_small(payload, fault);
    Live freed;
    if (!judge_.live(payload, freed, fault)) return false;
    const Release release = space_.plan_release(freed.block);
    if (checking && !space_.vet(release, fault)) return false;
    ++tally_.frees;
    give_back(freed, release);
    return true;
  }

  Block reallocate(Offset payload, Size size, Size align, Fault& fault) noexcept override {
    Live live;
    if (!judge_.find(payload, live, fault)) return {};
    const Block now = fits_in_place(live.block, size, align) ? resize(live, size, fault)
                                                             : move(live, size, align, fault);
    if (now) ++tally_.reallocs;
    return now;
  }

  bool allocate_many(std::span<const Size> sizes, std::span<Offset> payloads, std::size_t& refused,
                     Fault& fault) override {
    const State before{tally_, serial_};
    BatchJournal journal(blocks_, map_, space_);
    refused = 0;
    try {
      for (; refused < sizes.size(); ++refused) {
        const Cut cut = plan(sizes[refused], granule_size, fault);
        if (!cut) break;
        journal.note(refused, cut);
        payloads[refused] = payload_of(carry_out(cut, sizes[refused]));
      }
    } catch (const std::bad_alloc&) {
      undo(journal, payloads.first(refused), before);
      throw;
    }
    if (refused < sizes.size()) {
      undo(journal, payloads.first(refused), before);
      return false;
    }
    tally_.mallocs += sizes.size();
    return true;
  }

  bool release_many(std::span<const Offset> payloads, std::size_t& refused,
                    Fault& fault) noexcept override {
    if (!all_sound(payloads, refused, fault) ||
        !all_distinct(map_, blocks_.layout, payloads, refused, fault))
      return false;
    Live freed;
    for (const Offset payload : payloads) {
      if (!judge_.find(payload, freed, fault)) continue;
      free(freed);
      ++tally_.frees;
    }
    return true;
  }

  [[nodiscard]] bool find(Offset payload, Live& live, Fault& fault) const noexcept override {
    return judge_.find(payload, live, fault);
  }

  [[gnu::cold]] void reset() noexcept override {
    depart(Block{0, blocks_.size()});
    if (!watches()) clear_fronts(blocks_, map_, zero_on_free_);  // else all is filled
    tally_.requested = tally_.taken = 0;
    seed();
  }

  [[nodiscard, gnu::cold]] Findings inspect() const override {
    Findings findings;
    judge_.inspect(findings, space_.joins_all());
    space_.policy().inspect(findings);
    if (findings.empty()) inspect_counters(findings);
    drop_repetitions(findings);
    return findings;
  }

  [[nodiscard]] std::vector<Sight> walk() const override { return look_at_all(blocks_, map_); }
  [[nodiscard]] Sight look_at(Offset at) const noexcept override {
    return look(blocks_, map_, map_.block_around(at));
  }

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
    const Layout& layout = blocks_.layout;
    if (layout.front + layout.back > granule_size) return sum_on_offer(blocks_, map_);
    return blocks_.size() - tally_.taken - map_.free_blocks() * (layout.front + layout.back);
  }
  [[nodiscard]] const Layout& layout() const noexcept override { return blocks_.layout; }
  [[nodiscard]] const BlockMap& map() const noexcept override { return map_; }
  [[nodiscard]] const Tally& tally() const noexcept override { return tally_; }

 private:
  // Where a call walks a list, nothing is gained by putting all of it in one place.
  static constexpr bool walks = P::joining == Joining::in_list_order;

  using FreeSpace = typename SpaceFor<P, P::joining>::Type;
  using Release = typename FreeSpace::Release;
  using BatchJournal = Journal<FreeSpace, typename P::Mark>;

  struct State {
    Tally tally;
    std::uint16_t serial = 0;
  };

  [[nodiscard]] static constexpr Layout layout_for(const CoreSettings& settings,
                                                   const Sharing& sharing) noexcept {
    return {.front = settings.headers ? granule_size : 0,
            .back = settings.redzones ? granule_size : 0,
            .powers_of_two = P::joining == Joining::buddies,
            .shared = sharing.flight != nullptr};
  }
  [[nodiscard]] static constexpr std::byte fill_for(const CoreSettings& settings) noexcept {
    const bool filled = settings.redzones && !settings.zero_on_free;
    return std::byte{filled ? std::uint8_t{GLASSHEAP_FREED} : std::uint8_t{0}};
  }

  std::size_t numbers(Numbers& list) noexcept override {
    std::size_t count = 0;
    const auto add = [&](auto& number) { list[count++] = {&number, sizeof number}; };
    map_.each_number(add);
    space_.each_number(add);
    add(tally_);
    add(serial_);
    return count;
  }

  // --- Left of the bar: these only read. --------------------------------------------------------

  [[nodiscard]] Size extent_for(Size size) const noexcept {
    return blocks_.layout.extent_for(size);
  }
  [[nodiscard]] Offset payload_of(Block block) const noexcept {
    return blocks_.layout.payload_of(block.start);
  }

  [[nodiscard]] Block find_free(Size size, Size align, Fault& fault) noexcept {
    Block block;
    if (size <= largest_region) block = space_.policy().find_free({extent_for(size), align}, fault);
    if (!block && !fault) refuse(size, align, fault);
    return block;
  }

  // The same, and the cut that it comes to, vetted; out of line, for the callers that are not
  // flattened.
  [[nodiscard, gnu::noinline]] Cut plan(Size size, Size align, Fault& fault) noexcept {
    const Block from = find_free(size, align, fault);
    if (!from) return {};
    const Cut cut = plan_cut(blocks_, from, {extent_for(size), align});
    return space_.vet(cut, fault) && (!watches() || vet_fill(cut, fault)) ? cut : Cut{};
  }

  // Whether free memory and the bytes behind payloads are watched.
  [[nodiscard]] bool watches() const noexcept { return blocks_.layout.has_redzones(); }

  // Whether what is handed out, or written over, is as it was filled.
  [[nodiscard]] bool vet_fill(const Cut& cut, Fault& fault) const noexcept {
    return redzone::fill_holds(blocks_, cut.from, cut.taken.end(), cut.rest, fault);
  }

  // Whether a block may be freed, or the end of one that the map does not know yet.
  [[nodiscard, gnu::noinline]] bool vet_release(Block block, Fault& fault) const noexcept {
    return space_.vet(space_.plan_release(block), fault);
  }

  [[gnu::cold, gnu::noinline]] void refuse(Size size, Size align, Fault& fault) noexcept {
    ++tally_.failures;
    fault.kind = FaultKind::out_of_memory;
    fault.shortage.requested = size;
    fault.shortage.align = align;
  }

  [[nodiscard]] bool fits_in_place(Block block, Size size, Size align) const noexcept {
    if (size > largest_region || !blocks_.is_aligned(payload_of(block), align)) return false;
    const Size extent = extent_for(size);
    if (extent <= block.extent) return true;
    return extent <= block.extent + map_.free_starting_at(block.end()).extent &&
           FreeSpace::may_stand(block.start, extent);
  }

  [[nodiscard]] bool all_sound(std::span<const Offset> payloads, std::size_t& refused,
                               Fault& fault) const noexcept {
    Live live;
    for (refused = 0; refused < payloads.size(); ++refused) {
      if (!judge_.find(payloads[refused], live, fault) || !vet_release(live.block, fault))
        return false;
    }
    refused = 0;
    return payloads.size() < 2 || space_.vet_batch(fault);
  }

  // Only where the headers are sound: their sizes are what is summed.
  void inspect_counters(Findings& findings) const {
    const auto [requested, taken] = live_sums(blocks_, map_);
    if (requested == tally_.requested && taken == tally_.taken) return;
    findings.push_back({.kind = FaultKind::header_corrupted,
                        .rule = Rule::counters,
                        .expected = tally_.requested,
                        .found = requested});
  }

  // --- Right of the bar: these write, and cannot fail. ------------------------------------------

  [[gnu::noinline]] Block allocate_small(Size size, Size align, Fault& fault) noexcept {
    const Cut cut = plan(size, align, fault);
    if (!cut) return {};
    ++tally_.mallocs;
    return carry_out(cut, size);
  }
  [[gnu::noinline]] bool release_small(Offset payload, Fault& fault) noexcept {
    Live freed;
    if (!judge_.find(payload, freed, fault) || !vet_release(freed.block, fault)) return false;
    ++tally_.frees;
    free(freed);
    return true;
  }

  // Notes what the next stores will change, where somebody else may have to make it whole.
  void depart(Block stretch, Size keep = 0, Size size = 0) noexcept {
    if (flight_ != nullptr) flight_->depart(stretch, map_.top().start, keep, size);
  }
  void depart(const Release& release) noexcept {
    if (flight_ != nullptr) depart(space_.stretch(release));
  }

  Block take(const Cut& cut, Size size) noexcept {
    depart(cut.from);
    space_.apply(cut);
    space_.took(cut.taken);
    blocks_.write_header(cut.taken.start, size, ++serial_);
    if (watches()) redzone::raise(blocks_, cut.taken, size);
    tally_.add(counted(size, cut.taken), cut.taken);
    return cut.taken;
  }
  [[gnu::noinline]] Block carry_out(const Cut& cut, Size size) noexcept { return take(cut, size); }

  // What a live block counts for: where it keeps no size, nobody knows later what was asked for.
  [[nodiscard]] Size counted(Size size, Block block) const noexcept {
    return blocks_.layout.keeps_sizes() ? size : block.extent;
  }

  void give_back(const Live& freed, const Release& release) noexcept {
    tally_.subtract(freed.size, freed.block);
    depart(release);
    wipe(freed.block);
    space_.apply(release);
  }

  // The same, out of line, for the callers that are not flattened.
  void free(const Live& freed) noexcept {
    tally_.subtract(freed.size, freed.block);
    coalesce(freed.block);
  }
  [[gnu::noinline]] void coalesce(Block block) noexcept {
    const Release release = space_.plan_release(block);
    depart(release);
    wipe(block);
    space_.apply(release);
  }

  void wipe(Block block) noexcept {
    if (wipes_) redzone::fill(blocks_, block);
  }

  // --- Another size: each first vets what it will do. -------------------------------------------

  Block resize(const Live& live, Size size, Fault& fault) noexcept {
    const Block now{live.block.start, extent_for(size)};
    if (now.extent < live.block.extent) return shrink(live, now, size, fault);
    if (now.extent > live.block.extent && !grow(live.block, now, size, fault)) return {};
    if (now.extent == live.block.extent) depart(now, now.extent, size);
    rewrite(live, now, size);
    return now;
  }

  void rewrite(const Live& live, Block now, Size size) noexcept {
    if (blocks_.layout.has_headers()) blocks_.write_header(now.start, size, live.serial);
    if (watches()) redzone::move(blocks_, live.block, now, size);
    tally_.subtract(live.size, live.block);
    tally_.add(counted(size, now), now);
  }

  // The end of the block becomes a block of its own, and is freed.
  Block shrink(const Live& live, Block now, Size size, Fault& fault) noexcept {
    const Block tail{now.end(), live.block.end() - now.end()};
    if (!vet_release(tail, fault)) return {};
    depart(live.block, now.extent, size);
    rewrite(live, now, size);
    map_.add_live(tail);
    coalesce(tail);
    return now;
  }

  // The border between the block and its free right neighbour moves up.
  bool grow(Block was, Block now, Size size, Fault& fault) noexcept {
    const Block right = map_.free_starting_at(was.end());
    const Size more = now.extent - was.extent;
    const Block rest{right.start + more, right.extent - more};
    if (!space_.vet_growth(right, more, fault)) return false;
    if (watches() && !redzone::fill_holds(blocks_, right, now.end(), rest, fault)) return false;
    depart({was.start, was.extent + right.extent}, now.extent, size);
    space_.grow(right, more);
    return true;
  }

  // Once the new block has been cut, what surrounds the old one may be another free block, or none.
  Block move(const Live& live, Size size, Size align, Fault& fault) noexcept {
    if (!vet_release(live.block, fault) || !space_.vet_alone(live.block, fault)) return {};
    const Cut cut = plan(size, align, fault);
    if (!cut || !space_.vet_after(cut, live.block, fault)) return {};
    tally_.subtract(live.size, live.block);  // before the new one counts: no peak of both
    const Block now = carry_out(cut, size);
    blocks_.copy(payload_of(now), payload_of(live.block), std::min(size, live.size));
    coalesce(live.block);
    return now;
  }

  // --- After a death. ---------------------------------------------------------------------------

  [[gnu::cold]] bool rebuild(const Remains& remains, Fault& fault) noexcept {
    if (!remains.add_up(blocks_.layout, blocks_.size(), space_.joins_all(), fault)) return false;
    remains.put_into(blocks_, map_);
    space_.take_up();
    if (!remains.are_sound(judge_, fault)) return false;
    if (remains.gone) coalesce(remains.gone);
    count_anew();
    return true;
  }
  void count_anew() noexcept {
    const LiveSums sums = live_sums(blocks_, map_);
    tally_.requested = sums.requested;
    tally_.taken = sums.taken;
  }

  [[gnu::cold]] void undo(BatchJournal& journal, std::span<const Offset> payloads,
                          const State& before) noexcept {
    const std::uint64_t failures = tally_.failures;
    journal.undo(payloads, [this](Block stretch) { depart(stretch); });
    tally_ = before.tally;
    tally_.failures = failures;
    serial_ = before.serial;
  }

  Blocks blocks_;
  BlockMap map_;
  Judge judge_;
  FreeSpace space_;
  Tally tally_;
  std::uint16_t serial_ = 0;
  bool zero_on_free_;
  bool wipes_;      // a block that is freed: zero_on_free_, or watches()
  Flight* flight_;  // null in a heap that nobody shares
};

}  // namespace glassheap
