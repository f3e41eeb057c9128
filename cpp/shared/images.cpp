#include <cstring>

#include "check/recovery.hpp"
#include "glassheap/shared_heap.hpp"
#include "heap/units.hpp"
#include "shared/core_in_segment.hpp"
#include "shared/presence.hpp"
#include "shared/publication.hpp"

// SharedHeap: segments that are read, or removed, without attaching to them.

namespace glassheap {

using shared::Segment;
using shared::Superblock;

namespace {

// The pids of the processes that are attached to the segment in this file.
std::vector<std::uint32_t> living_users(const Superblock& block, const std::string& path) {
  shared::Presence presence;
  presence.observe(path);
  std::vector<std::uint32_t> pids;
  for (shared::Number number = 1; number <= most_processes; ++number) {
    if (presence.is_locked(number)) pids.push_back(block.processes[number - 1].pid);
  }
  return pids;
}

std::vector<Address> live_payloads(const CoreInterface& core, const Intent& in_flight,
                                   const Journal& journal, const Options& options) {
  const Units units = units_of(options);
  std::vector<Address> payloads;
  const RecoveredBlocks blocks = read_recovered_blocks(core.map(), in_flight);
  for (const RecoveredBlocks::Part& part : blocks.parts) {
    if (!part.free && part.block != blocks.orphan && !journal.is_to_be_freed(part.block.start))
      payloads.push_back(options.unused() +
                         units.place_to_caller(core.layout().payload_of(part.block.start)));
  }
  return payloads;
}

}  // namespace

bool SharedHeap::read(const Opening& how, Image& image, Fault& fault) {
  Wait wait(0);
  const std::unique_ptr<Segment> segment = shared::open_published(how.location, wait, fault);
  if (segment == nullptr) return false;
  const Superblock& block = shared::superblock_of(*segment);
  const Options options = shared::options_of(segment->fixed());
  if (!shared::has_room_for_arrays(segment->fixed(), options))
    return shared::refuse_image("layout", fault);
  Journal journal = shared::journal_in(*segment);
  const std::unique_ptr<CoreInterface> core = shared::core_over(*segment, options, journal);
  core->load(block.state);
  const Intent in_flight = block.intent.pending();
  const Units units = units_of(options);
  image = {.recovered = block.recovered,
           .in_flight_start = units.to_caller(in_flight.start),
           .in_flight_end = units.to_caller(in_flight.end),
           .in_flight_keep = units.to_caller(in_flight.keep),
           .users = living_users(block, how.original),
           .live = live_payloads(*core, in_flight, journal, options)};
  return true;
}

std::optional<std::uint64_t> SharedHeap::generation(std::span<const std::byte> front) {
  std::uint64_t number = 0;
  constexpr std::size_t at = offsetof(Superblock, generation);
  if (front.size() < at + sizeof number) return std::nullopt;
  std::memcpy(&number, front.data() + at, sizeof number);  // the bytes may not be aligned
  return number;
}

// --- Leftovers. --------------------------------------------------------------------------------

namespace {

// A segment whose heap was made in this file. A heap in memory that another library keeps under a
// name is that library's.
std::unique_ptr<Segment> open_original(const SegmentLocation& location, Fault& fault) {
  Wait wait(0);
  std::unique_ptr<Segment> segment = shared::open_published(location, wait, fault);
  if (segment == nullptr) return nullptr;
  const std::uint64_t made_in = shared::superblock_of(*segment).file;
  if (made_in == segment->file()) return segment;
  shared::refuse_image("file", fault, segment->file(), made_in);
  return nullptr;
}

// Becomes the one that is attaching. Returns false if a living process has attached, or is attaching.
bool hold(shared::Presence& presence, const Segment& segment, Fault& fault) {
  return presence.open(segment, fault) && presence.try_lock(shared::attaching) &&
         !presence.is_orphaned() && !presence.has_company();
}

// Removes the segment, unless its name has become another segment's.
bool remove_named(const Segment& segment, const SegmentLocation& location, Fault& fault) {
  Fault gone;
  const std::unique_ptr<Segment> named = Segment::open(location, gone);
  if (named == nullptr || named->file() != segment.file()) return false;
  return Segment::remove(location, fault);
}

}  // namespace

bool SharedHeap::summarize(const SegmentLocation& location, SegmentSummary& summary, Fault& fault) {
  const std::unique_ptr<Segment> segment = open_original(location, fault);
  if (segment == nullptr) return false;
  const Superblock& block = shared::superblock_of(*segment);
  summary = {.policy = shared::options_of(segment->fixed()).policy,
             .bytes = segment->size(),
             .recovered = block.recovered,
             .users = living_users(block, shared::path_of(location))};
  return true;
}

// As the one that is attaching: a process that waits for its turn finds the segment removed.
bool SharedHeap::remove_unused(const SegmentLocation& location, Fault& fault) {
  const std::unique_ptr<Segment> segment = open_original(location, fault);
  shared::Presence presence;
  return segment != nullptr && hold(presence, *segment, fault) &&
         remove_named(*segment, location, fault);
}

void SharedHeap::remove_deserted_locks() { shared::Presence::remove_deserted(); }

std::shared_ptr<void> SharedHeap::hold_unused(const SegmentLocation& location, Fault& fault) {
  Wait wait(0);
  const std::unique_ptr<Segment> segment = shared::open_published(location, wait, fault);
  const auto presence = std::make_shared<shared::Presence>();
  if (segment == nullptr || !hold(*presence, *segment, fault)) return nullptr;
  return presence;
}

}  // namespace glassheap
