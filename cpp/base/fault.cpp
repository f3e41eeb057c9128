#include "glassheap/fault.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <system_error>

// One function a fault, and each a sentence that says what was wrong, where, and what to do.

namespace glassheap {
namespace {

// printf into a string: the numbers below are all that is ever formatted.
template <typename... Numbers>
std::string format(const char* text, Numbers... numbers) {
  std::array<char, 512> line{};
  const int length = std::snprintf(line.data(), line.size(), text, numbers...);
  return {line.data(), std::min(static_cast<std::size_t>(length), line.size() - 1)};
}

using ull = unsigned long long;

// What a caller gave may have been beyond 64 bits: it is then the largest number that is not.
constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

std::string out_of_memory(const Fault& fault) {
  const Shortage& s = fault.shortage;
  const std::string bytes =
      s.requested == most ? "2^64 - 1 bytes or more" : format("%llu bytes", ull{s.requested});
  const bool large_enough = s.free_blocks != 0 && s.largest >= s.requested;
  // It is the alignment that no block could offer, or the rest of a batch that took the room.
  const bool aligned = large_enough && s.align > granule_size;
  const bool batched = large_enough && !aligned && s.largest != 0;
  return "no free block can hold " + bytes +
         (aligned ? format(" at a multiple of %llu", ull{s.align}) : "") +
         (batched ? " beside what comes before in the batch" : "") +
         format(
             ": %llu are available in %llu free %s, the largest of which offers %llu. Free "
             "something, ask for less%s, or open a larger heap.",
             ull{s.available}, ull{s.free_blocks}, s.free_blocks == 1 ? "block" : "blocks",
             ull{s.largest}, aligned ? " or for a smaller align" : "");
}

std::string no_pages(const Fault& fault) {
  return format("the system does not give %llu bytes of memory for a region. Open a smaller heap.",
                ull{fault.found});
}

std::string invalid_size(const Fault& fault) {
  const std::string size =
      fault.found == most ? "2^64 - 1 or more" : format("%llu", ull{fault.found});
  return format("such a heap's region has from %llu to %llu bytes, not ", ull{fault.least},
                ull{fault.expected}) +
         size + ".";
}

std::string invalid_alignment(const Fault& fault) {
  const bool least = fault.expected == granule_size;  // which every region serves, however small
  return format(
      "align must be a power of two up to %llu, a quarter of this region%s, and %llu is not.",
      ull{fault.expected}, least ? " but no less than 16" : "", ull{fault.found});
}

std::string invalid_base(const Fault& fault) {
  return format("base must be a multiple of 16 with room for a region above it, and 0x%llx is not.",
                ull{fault.found});
}

std::string unknown_policy(const Fault& /*fault*/) { return "there is no policy of that name."; }

std::string unwanted_option(const Fault& fault) {
  constexpr std::array options = {"fit", "order", "coalesce"};
  return format(
      "the option '%s' is taken by the policy 'sequential_fit' alone. Leave it out, or ask for "
      "that "
      "policy.",
      options[std::min<std::uint64_t>(fault.found, options.size() - 1)]);
}

std::string foreign_pointer(const Fault& fault) {
  const std::string address = fault.address == most ? "an address below 0 or from 2^64 - 1 upwards"
                                                    : format("0x%llx", ull{fault.address});
  return address + " is outside the heap's region. Pass an address that this heap returned.";
}

std::string misaligned_pointer(const Fault& fault) {
  return format(
      "0x%llx is no multiple of 16 from the start of the region: no block can start there. Pass "
      "the address that malloc returned.",
      ull{fault.address});
}

std::string interior_pointer(const Fault& fault) {
  return format(
      "0x%llx lies inside a live block, but is not where its payload starts. Pass 0x%llx, which "
      "is.",
      ull{fault.address}, ull{fault.owner});
}

std::string double_free(const Fault& fault) {
  return format(
      "the memory at 0x%llx is free already: it was freed before, or never handed out. Free each "
      "block once.",
      ull{fault.address});
}

std::string stale_handle(const Fault& fault) {
  return format(
      "this Block is stale: its memory at 0x%llx was freed, or the heap was reset, since it was "
      "allocated. Drop it.",
      ull{fault.address});
}

std::string pinned(const Fault& fault) {
  if (fault.address == 0) return "a view of the heap's region is still alive. Release it first.";
  return format("a view of the block at 0x%llx is still alive. Release it first.",
                ull{fault.address});
}

std::string bad_magic(const Fault& fault) {
  return format(
      "the header of the block at offset %llu has the magic number 0x%llX instead of 0x%llX: "
      "something wrote over it. The heap is damaged; a reset brings it back, empty.",
      ull{fault.offset}, ull{fault.found}, ull{fault.expected});
}

std::string header_corrupted(const Fault& fault) {
  if (fault.rule == Rule::size) {
    return format(
        "the header of the block at offset %llu says %llu bytes, but its block holds %llu: "
        "something wrote over it. The heap is damaged; a reset brings it back, empty.",
        ull{fault.offset}, ull{fault.found}, ull{fault.expected});
  }
  return format(
      "the header of the block at offset %llu has the seal 0x%04llX instead of 0x%04llX: something "
      "wrote over its size, serial or seal. The heap is damaged; a reset brings it back, empty.",
      ull{fault.offset}, ull{fault.found}, ull{fault.expected});
}

std::string free_list_corrupted(const Fault& fault) {
  return format(
             "the free block at offset %llu breaks the rule '%s': it has 0x%llX where 0x%llX was "
             "expected. ",
             ull{fault.offset}, name_of(fault.rule), ull{fault.found}, ull{fault.expected}) +
         "Something wrote into freed memory. The heap is damaged; a reset brings it back, empty.";
}

std::string overflow_detected(const Fault& fault) {
  if (fault.rule == Rule::sentinel) {
    return format(
        "the region has %llu bytes, and the byte at offset %llu, behind its end, was written. The "
        "heap is damaged; close it, and look who else has the buffer.",
        ull{fault.expected}, ull{fault.found});
  }
  return format(
      "the block at offset %llu has %llu bytes, and the byte with the index %llu, behind its end, "
      "was written. The heap is damaged; a reset brings it back, empty.",
      ull{fault.offset}, ull{fault.expected}, ull{fault.found});
}

std::string write_after_free(const Fault& fault) {
  return format(
      "the byte at offset %llu is free memory, and was written: it is 0x%02llX instead of "
      "0x%02llX. The heap is damaged; a reset brings it back, empty.",
      ull{fault.offset}, ull{fault.found}, ull{fault.expected});
}

std::string heap_damaged(const Fault& /*fault*/) {
  return "the heap was found corrupt, and does not change any more. check() lists what is broken; "
         "a reset brings it back, empty.";
}

std::string heap_busy(const Fault& /*fault*/) {
  return "this thread is inside the heap already: a signal handler interrupted a call of it. Try "
         "again when the handler has returned.";
}

std::string heap_closed(const Fault& /*fault*/) {
  return "the heap is closed: its region has been given back. Open another.";
}

std::string lock_timeout(const Fault& /*fault*/) {
  return "another process has had the heap's lock all the time that was given. Try again, or give "
         "more time.";
}

std::string attach_timeout(const Fault& /*fault*/) {
  return "whoever makes this heap has not finished in the time that was given: it may have died. "
         "Remove the segment, or give more time.";
}

std::string bad_image(const Fault& fault) {
  return std::string("this is no heap that can be used: its ") +
         (fault.field == nullptr ? "contents" : fault.field) +
         " is not as this version on this machine writes it. Check a copy with glassheap fsck.";
}

std::string too_many_holders(const Fault& fault) {
  return format("%llu blocks are held on to already, and no more can be shared. Release some.",
                ull{fault.expected});
}

std::string system_error(const Fault& fault) {
  return std::string("the system refuses: ") +
         std::generic_category().message(static_cast<int>(fault.found)) + ".";
}

struct Kind {
  const char* name;
  std::string (*sentence)(const Fault&);
};

std::string nothing(const Fault& /*fault*/) { return "nothing is wrong."; }

// In the order of FaultKind.
constexpr std::array kinds = {
    Kind{"", nothing},
    Kind{"OutOfMemory", out_of_memory},
    Kind{"OutOfMemory", no_pages},
    Kind{"InvalidSize", invalid_size},
    Kind{"InvalidAlignment", invalid_alignment},
    Kind{"InvalidAlignment", invalid_base},
    Kind{"ValueError", unknown_policy},
    Kind{"ValueError", unwanted_option},
    Kind{"ForeignPointer", foreign_pointer},
    Kind{"MisalignedPointer", misaligned_pointer},
    Kind{"InteriorPointer", interior_pointer},
    Kind{"DoubleFree", double_free},
    Kind{"StaleHandle", stale_handle},
    Kind{"BufferError", pinned},
    Kind{"BadMagic", bad_magic},
    Kind{"HeaderCorrupted", header_corrupted},
    Kind{"FreeListCorrupted", free_list_corrupted},
    Kind{"OverflowDetected", overflow_detected},
    Kind{"WriteAfterFree", write_after_free},
    Kind{"HeapDamaged", heap_damaged},
    Kind{"HeapError", heap_busy},
    Kind{"HeapClosed", heap_closed},
    Kind{"LockTimeout", lock_timeout},
    Kind{"AttachTimeout", attach_timeout},
    Kind{"BadImage", bad_image},
    Kind{"HeapError", too_many_holders},
    Kind{"OSError", system_error},
};
static_assert(kinds.size() == static_cast<std::size_t>(FaultKind::system_error) + 1);

constexpr std::array rules = {"",         "magic",    "size",    "seal",   "node size",
                              "next",     "prev",     "head",    "listed", "neighbours",
                              "coverage", "counters", "redzone", "fill",   "sentinel"};
static_assert(rules.size() == static_cast<std::size_t>(Rule::sentinel) + 1);

const Kind& kind_of(FaultKind kind) noexcept { return kinds[static_cast<std::size_t>(kind)]; }

}  // namespace

const char* name_of(FaultKind kind) noexcept { return kind_of(kind).name; }

const char* name_of(Rule rule) noexcept { return rules[static_cast<std::size_t>(rule)]; }

void drop_repetitions(Findings& findings) {
  const auto place = [](const Fault& finding) { return std::pair(finding.offset, finding.rule); };
  std::ranges::sort(findings, {}, place);
  const auto repeated = std::ranges::unique(findings, {}, place);
  findings.erase(repeated.begin(), repeated.end());
}

std::string sentence(const Fault& fault) { return kind_of(fault.kind).sentence(fault); }

}  // namespace glassheap
