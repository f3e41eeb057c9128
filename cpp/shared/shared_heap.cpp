#include "glassheap/shared_heap.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <utility>

#include "base/claim.hpp"
#include "base/zeroed_array.hpp"
#include "heap/check_options.hpp"
#include "heap/scoped_access.hpp"
#include "shared/attachment.hpp"
#include "shared/core_in_segment.hpp"
#include "shared/durability.hpp"
#include "shared/publication.hpp"

// SharedHeap: creating, attaching, and the segment as a whole. images.cpp reads segments without
// attaching; references.cpp has the references to shared blocks.

namespace glassheap {

using shared::Attachment;
using shared::FixedFields;
using shared::Segment;
using shared::Superblock;

namespace {

std::unique_ptr<HeapState> make_state(const Options& options, const SegmentLocation& location,
                                      std::unique_ptr<CoreInterface> core,
                                      std::unique_ptr<Attachment> attachment,
                                      std::unique_ptr<Recording> recording) {
  Region region = Region::borrow(shared::region_of(attachment->segment()));
  region.keep(location.keeper);
  auto state = std::make_unique<HeapState>(options, std::move(region), std::move(core),
                                           std::move(attachment));
  state->record_to(std::move(recording));
  return state;
}

}  // namespace

// The heap's region keeps mapped memory mapped, until the heap is closed.
SharedHeap::SharedHeap(SegmentLocation location, std::unique_ptr<HeapState> state,
                       Attachment& attachment)
    : Heap(std::move(state)),
      location_(std::move(location)),
      identity_(attachment.segment().fixed().identity),
      attachment_(attachment) {
  location_.keeper.reset();
}

// --- Creating and attaching. -------------------------------------------------------------------

namespace {

// An offset heap has its own data in the segment: mapped memory may have too little room for it.
bool check_room(const Options& options, const SegmentLocation& location, Fault& fault) {
  if (location.data == nullptr || shared::segment_layout(options).total <= location.size)
    return true;
  fault = {.kind = FaultKind::invalid_size,
           .minimum = 1,
           .granule_bits = units_of(options).bits(),
           .argument = options.size,
           .maximum = shared::largest_region_within(options, location.size),
           .field = "granule"};
  return false;
}

// The options of a new heap: addresses are offsets; mapped memory has a size of its own.
bool complete_options(Options& options, const SegmentLocation& location, Fault& fault) {
  if (!check_sharing(options, fault)) return false;
  if (options.granule) {
    options.headers = false;
    return check_options(options, fault) && check_room(options, location, fault);
  }
  options.base = 0;
  if (location.data == nullptr) return check_options(options, fault);
  options.size = options.least_size();  // a placeholder: validates the other options
  if (!check_options(options, fault)) return false;
  options.size = shared::largest_region_within(options, location.size);
  return check_options(options, fault);
}

// Claims memory that is mapped already, until the last copy of its keeper goes.
bool claim(SegmentLocation& location, ClaimKind kind, Fault& fault) {
  if (location.data == nullptr) return true;
  location.keeper = claim_bytes({location.data, location.size}, kind, location.keeper, fault);
  return !fault;
}

// Opens an existing segment, and claims its memory. Another thread of this process may be about to
// create the heap that this one waits for, so nothing is claimed meanwhile.
std::unique_ptr<Segment> open_claimed(SegmentLocation& location, Wait& wait, Fault& fault) {
  SegmentLocation tried = location;
  if (!claim(tried, ClaimKind::attachment, fault)) return nullptr;
  tried = {};
  std::unique_ptr<Segment> segment = shared::open_published(location, wait, fault);
  if (segment == nullptr || !claim(location, ClaimKind::attachment, fault)) return nullptr;
  return segment;
}

}  // namespace

// The recording is created before the segment: it can be undone, while a segment may be in use by
// others as soon as they find it.
std::unique_ptr<SharedHeap> SharedHeap::create(const Options& wanted, const Opening& how,
                                               Fault& fault) {
  Options options = wanted;
  SegmentLocation location = how.location;
  if (!complete_options(options, location, fault) ||
      !claim(location, ClaimKind::new_shared_heap, fault))
    return nullptr;
  std::unique_ptr<Recording> recording = Recording::create(options, fault);
  if (fault) return nullptr;
  FixedFields fixed = shared::segment_layout(options);
  fixed.in_file = location.data == nullptr ? 1 : 0;
  fixed.checksum = checksum(fixed);
  std::unique_ptr<Segment> segment = Segment::create(location, fixed.total, fault);
  if (segment == nullptr) return nullptr;
  if (location.data != nullptr) std::memset(segment->data(), 0, fixed.region_at);
  auto* const block = new (segment->data()) Superblock;
  shared::publish_fixed_fields(block->fixed, fixed);
  segment->set_fixed(fixed);
  auto attachment = std::make_unique<Attachment>(std::move(segment), how.timeout);
  std::unique_ptr<CoreInterface> core = attachment->make_core(options);
  core->seed();
  core->store(block->state);
  if (!attachment->attach_first(*core, fault)) return nullptr;
  Attachment& attached = *attachment;
  std::unique_ptr<SharedHeap> heap(new SharedHeap(
      location,
      make_state(options, location, std::move(core), std::move(attachment), std::move(recording)),
      attached));
  block->published.store(1, std::memory_order_release);
  if (!attached.publish(fault)) return nullptr;
  Recording::keep(heap->state().recording.get());
  return heap;
}

namespace {

bool is_of_kind(const Options& options, SharedHeap::Kind kind) noexcept {
  using enum SharedHeap::Kind;
  return kind == any || kind == (options.granule ? offsets : bytes);
}

}  // namespace

std::unique_ptr<SharedHeap> SharedHeap::attach(const Opening& how, const std::string& policy,
                                               Fault& fault) {
  SegmentLocation location = how.location;
  Wait wait(how.timeout);
  std::unique_ptr<Segment> segment = open_claimed(location, wait, fault);
  if (segment == nullptr) return nullptr;
  const FixedFields& fixed = segment->fixed();
  Options options = shared::options_of(fixed);
  if (!policy.empty() && policy != options.policy)
    return shared::refuse_image("policy", fault), nullptr;
  if (!is_of_kind(options, how.kind))
    return shared::refuse_image("granule", fault, options.granule ? 0 : 1, options.granule ? 1 : 0),
           nullptr;
  if (!shared::has_room_for_arrays(fixed, options))
    return shared::refuse_image("layout", fault), nullptr;
  options.record = how.record;
  std::unique_ptr<Recording> recording = Recording::create(options, fault);
  if (fault) return nullptr;
  auto attachment = std::make_unique<Attachment>(std::move(segment), how.timeout);
  std::unique_ptr<CoreInterface> core = attachment->make_core(options);
  const bool is_in = how.copy ? attachment->attach_to_copy(*core, how.original, how.salvage, fault)
                              : attachment->attach(*core, how.salvage, wait, fault);
  fault.offset = units_of(options).place_to_caller(fault.offset);
  if (!is_in) return nullptr;
  Attachment& attached = *attachment;
  std::unique_ptr<SharedHeap> heap(new SharedHeap(
      location,
      make_state(options, location, std::move(core), std::move(attachment), std::move(recording)),
      attached));
  Recording::keep(heap->state().recording.get());
  return heap;
}

// --- The segment as a whole. -------------------------------------------------------------------

bool SharedHeap::copy_into(std::span<std::byte> bytes, Fault& fault) noexcept {
  return state().read(fault, [&](HeapState&) {
    const Segment& segment = attachment_.segment();
    if (bytes.size() < segment.size())
      return shared::refuse_image("size", fault, segment.size(), bytes.size());
    std::memcpy(bytes.data(), segment.data(), segment.size());
    const std::uint64_t outside = attachment_.block().generation + 1;  // no process is in the copy
    std::memcpy(bytes.data() + offsetof(Superblock, generation), &outside, sizeof outside);
    return true;
  });
}

bool SharedHeap::unlink(Fault& fault) const { return Segment::remove(location_, fault); }

bool SharedHeap::flush(Fault& fault) noexcept {
  return state().read(fault,
                      [&](HeapState&) { return shared::flush(attachment_.segment(), fault); });
}

namespace {

// Memory of this process alone, whose pages are present: a store to it waits for no disk. Null if
// there is not that much (system_error).
ZeroedArray<std::byte> make_present(Size bytes, Fault& fault) {
  ZeroedArray<std::byte> memory = make_zeroed<std::byte>(bytes);
  if (memory == nullptr) {
    shared::refuse_by_system(ENOMEM, fault);
  } else {
    std::memset(memory.get(), 1, bytes);  // zeros might be left out
  }
  return memory;
}

}  // namespace

// A store to a new file's page may wait for the disk. So only a copy from memory to memory is made
// under the lock, and the file is written after it.
bool SharedHeap::backup(const std::string& path, Fault& fault) {
  Size bytes = 0;
  FixedFields fixed;
  const auto measure = [&](HeapState&) {
    bytes = attachment_.segment().size();
    fixed = attachment_.segment().fixed();
    return true;
  };
  if (!state().read(fault, measure)) return false;
  SegmentLocation location;
  location.path = path;
  const std::unique_ptr<Segment> copy = Segment::create(location, bytes, fault);
  if (copy == nullptr) return false;
  const ZeroedArray<std::byte> moment = make_present(bytes, fault);
  if (moment == nullptr || !copy_into({moment.get(), bytes}, fault)) return false;
  std::memcpy(copy->data(), moment.get(), bytes);
  shared::make_independent(*copy, fixed);
  if (!shared::flush(*copy, fault) || !copy->publish(fault)) return false;
  copy->flush_name();
  return true;
}

std::uint16_t SharedHeap::number() const noexcept { return attachment_.number(); }

}  // namespace glassheap
