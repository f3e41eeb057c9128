#include "heap/quarantine.hpp"

#include <algorithm>
#include <cstring>

#include "heap/heap_state.hpp"

namespace glassheap {

// --- The list. ---------------------------------------------------------------------------------

namespace {

constexpr std::size_t word_bits = 64;

}  // namespace

// A payload may be empty, and its address the region's end.
Quarantine::Quarantine(Size limit, Size region, std::byte fill)
    : limit_(limit),
      places_(region / granule_size + 1),
      fill_(fill),
      waiting_(make_zeroed<Bitmap::Word>(places_ / word_bits + 1)) {
  if (waiting_ == nullptr) throw std::bad_alloc();
}

Size Quarantine::own_memory() const noexcept {
  return sizeof *this + (places_ / word_bits + 1) * sizeof(Bitmap::Word) +
         payloads_.capacity() * sizeof(Offset) + sizes_.capacity() * sizeof(Sizes);
}

bool Quarantine::reserve(std::size_t blocks) noexcept try {
  const std::size_t wanted = payloads_.size() + blocks;
  if (wanted > payloads_.capacity()) payloads_.reserve(2 * wanted);
  if (wanted > sizes_.capacity()) sizes_.reserve(2 * wanted);
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

void Quarantine::push(Offset payload, const LiveBlock& block) noexcept {
  Bitmap::set(waiting_.get(), payload / granule_size);
  payloads_.push_back(payload);
  sizes_.push_back({block.size, block.block.extent});
  sums_.blocks += 1;
  sums_.requested += block.size;
  sums_.taken += block.block.extent;
  ++frees;
}

void Quarantine::forget(std::size_t index) noexcept {
  const std::size_t place = payloads_[index] / granule_size;
  waiting_[place / word_bits] &= ~(Bitmap::Word{1} << (place % word_bits));
  sums_.blocks -= 1;
  sums_.requested -= sizes_[index].size;
  sums_.taken -= sizes_[index].extent;
}

void Quarantine::take_back(std::size_t newest) noexcept {
  for (; newest != 0; --newest) {
    forget(payloads_.size() - 1);
    payloads_.pop_back();
    sizes_.pop_back();
    --frees;
  }
}

std::size_t Quarantine::excess() const noexcept {
  std::size_t count = 0;
  for (Size taken = sums_.taken; taken > limit_; ++count) taken -= sizes_[head_ + count].extent;
  return count;
}

// The places of blocks that have left are used again when they are half of the list.
void Quarantine::drop_oldest(std::size_t blocks) noexcept {
  for (std::size_t i = 0; i < blocks; ++i) forget(head_ + i);
  head_ += blocks;
  filled_ -= std::min(filled_, blocks);
  if (2 * head_ < payloads_.size()) return;
  payloads_.erase(payloads_.begin(), payloads_.begin() + static_cast<std::ptrdiff_t>(head_));
  sizes_.erase(sizes_.begin(), sizes_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = 0;
}

// --- What enters and leaves: these set a fault as the core does. --------------------------------

namespace {

// The heap itself may read bytes that it has poisoned.
GLASSHEAP_NO_ASAN bool fill_holds(const std::byte* first, Size size, Offset at, std::byte fill,
                                  Fault& fault) noexcept {
  for (Size i = 0; i < size; ++i) {
    if (first[i] == fill) continue;
    fault = {.kind = FaultKind::write_after_free,
             .rule = Rule::fill,
             .offset = at + i,
             .expected = std::to_integer<std::uint64_t>(fill),
             .found = std::to_integer<std::uint64_t>(first[i])};
    return false;
  }
  return true;
}

}  // namespace

bool HeapState::waiting_fill_holds(std::size_t index, Fault& fault) const noexcept {
  const Offset payload = quarantine->payloads()[index];
  return fill_holds(addresses.data(payload), quarantine->size(index), payload, quarantine->fill(),
                    fault);
}

// All or none of the blocks leave.
bool HeapState::let_go(std::size_t oldest, Fault& fault) noexcept {
  for (std::size_t i = 0; i < std::min(oldest, quarantine->filled()); ++i) {
    if (!waiting_fill_holds(i, fault)) return false;
  }
  std::size_t refused = 0;
  if (!core->release_many(quarantine->oldest(oldest), refused, fault)) return false;
  quarantine->drop_oldest(oldest);
  quarantine->frees -= oldest;
  return true;
}

// Fills the blocks that have entered, which from then on wait.
void HeapState::fill_waiting() const noexcept {
  const std::span<const Offset> payloads = quarantine->payloads();
  for (std::size_t i = quarantine->filled(); i < payloads.size(); ++i) {
    std::byte* const first = addresses.data(payloads[i]);
    std::memset(first, std::to_integer<int>(quarantine->fill()), quarantine->size(i));
    poison(first, quarantine->size(i));
  }
  quarantine->note_filled();
}

bool HeapState::release_many(std::span<Offset> payloads, std::size_t& refused,
                             Fault& fault) noexcept {
  if (!pins.any_block() && quarantine == nullptr && caches == nullptr) [[likely]]
    return core->release_many(payloads, refused, fault);
  const bool waits = quarantine != nullptr && quarantine->reserve(payloads.size());
  LiveBlock live;
  for (refused = 0; refused < payloads.size(); ++refused) {
    const Offset payload = payloads[refused];
    if (!check_unpinned(payload, fault) || !withdraw(payload, fault) ||
        (quarantine && !lookup(payload, live, fault)))
      break;
    if (waits) quarantine->push(payload, live);
  }
  if (!fault && !waits) return core->release_many(payloads, refused, fault);
  if (!fault && let_go(quarantine->excess(), fault)) return fill_waiting(), true;
  if (waits) quarantine->take_back(refused);
  refused = std::min(refused, payloads.size() - 1);
  return false;
}

bool HeapState::release_by_quarantine(Offset payload, Fault& fault) noexcept {
  std::size_t refused = 0;
  return release_many({&payload, 1}, refused, fault) ||
         refuse(fault, addresses.address_of(payload));
}

bool HeapState::empty_quarantine(Fault& fault) noexcept {
  if (quarantine->filled() == 0) return false;
  Fault damage;
  if (!let_go(quarantine->filled(), damage)) {
    fault = damage;
    return false;
  }
  fault = {};
  ++quarantine->failures;
  return true;
}

// A block that would have to move is copied, and the old one waits.
Block HeapState::reallocate_by_quarantine(Offset old, Size size, Size align,
                                          Fault& fault) noexcept {
  LiveBlock live;
  if (!lookup(old, live, fault)) return {};
  const bool stays = size <= live.size && addresses.address_of(old) % align == 0;
  if (stays || live.block.extent > quarantine->limit() || !quarantine->reserve(1)) {
    const Block block = core->reallocate(old, size, align, fault);
    return block || !may_try_again(fault) ? block : core->reallocate(old, size, align, fault);
  }
  quarantine->push(old, live);
  Block block;
  if (let_go(quarantine->excess(), fault)) block = allocate(size, align, fault);
  if (!block) return quarantine->take_back(1), block;
  std::memcpy(addresses.data(addresses.payload_of(block)), addresses.data(old),
              std::min(size, live.size));
  fill_waiting();
  ++quarantine->moves;
  return block;
}

void HeapState::inspect_waiting(std::vector<BrokenRule>& rules) const {
  for (std::size_t i = 0; quarantine != nullptr && i < quarantine->filled(); ++i) {
    Fault fault;
    if (waiting_fill_holds(i, fault)) continue;
    const auto place = [](const BrokenRule& rule) { return rule.fault.offset; };
    rules.insert(std::ranges::upper_bound(rules, fault.offset, {}, place), {fault, {}});
  }
}

}  // namespace glassheap
