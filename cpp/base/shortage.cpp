#include "base/shortage.hpp"

#include <algorithm>
#include <limits>

#include "base/format.hpp"

// The reason for an out_of_memory, as its numbers tell it, and its sentence.

namespace glassheap {

ShortageCause cause_of(const Fault& shortage) noexcept {
  const Shortage& s = shortage.shortage;
  const bool has_room = s.free_blocks != 0 && s.largest >= shortage.argument;
  if (has_room && s.align > granule_of(shortage)) return ShortageCause::alignment;
  if (has_room && s.largest != 0) return ShortageCause::batch;
  if (!has_room && s.free_blocks > 1 && s.available >= shortage.argument)
    return ShortageCause::fragmentation;
  return ShortageCause::memory;
}

const char* name_of(ShortageCause cause) noexcept {
  switch (cause) {
    case ShortageCause::fragmentation:
      return "fragmented";
    case ShortageCause::alignment:
      return "alignment";
    default:
      return "exhausted";
  }
}

namespace {

// A binding passes the largest number in place of any larger one.
std::string requested_bytes(const Fault& fault) {
  const bool beyond = fault.argument == std::numeric_limits<std::uint64_t>::max();
  return beyond ? "2^64 - 1 bytes or more" : std::to_string(fault.argument) + " bytes";
}

}  // namespace

std::string shortage_facts(const Fault& fault) {
  const Shortage& s = fault.shortage;
  const ShortageCause cause = cause_of(fault);
  return std::string(name_of(cause)) + ": no free block can hold " + requested_bytes(fault) +
         (cause == ShortageCause::alignment ? format(" at a multiple of %llu", ull{s.align}) : "") +
         (cause == ShortageCause::batch ? " beside the earlier sizes of the batch" : "") +
         format(": %llu are available in %llu free %s, the largest of which offers %llu",
                ull{s.available}, ull{s.free_blocks}, s.free_blocks == 1 ? "block" : "blocks",
                ull{s.largest});
}

std::string shortage_remedy(const Fault& fault) {
  const bool alignment = cause_of(fault) == ShortageCause::alignment;
  return std::string("Free something, ask for less") +
         (alignment ? " or for a smaller align" : "") + ", or open a larger heap.";
}

double fragmentation_index(Size requested, Size available, Size free_blocks) noexcept {
  if (free_blocks == 0 || requested == 0) return 0;
  const double fits = static_cast<double>(available) / static_cast<double>(requested);
  return std::max(0.0, 1 - (1 + fits) / static_cast<double>(free_blocks));
}

}  // namespace glassheap
