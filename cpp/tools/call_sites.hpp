// call_sites.hpp: the places in the program that call malloc, as tags of a recording.
//
// The tag of a call is its place in a file: "libpython3.11.so.1.0+0x12ab34", where addr2line finds the
// line in the source. It is written to the recording when the place is met for the first time. Its
// number stays in a table with open addressing and linear probing, in pages of its own, which is at
// most half full.
//
//     home of a                              home of c
//     | a, its number | b, whose home is a's | c, its number | empty |
//
// A place in operator new has a rule (frame_rule.hpp): the tag is that of its caller. It has a number
// only when it was needed: when a caller could not be told.
//
// The object around a place is found by _dl_find_object (glibc 2.35), which takes no lock. dladdr
// would: a thread that holds the lock of the loader, and allocates, would then wait for a thread that
// allocates, and waits for the loader. Without that function calls have no tags.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "caller.hpp"
#include "frame_rule.hpp"
#include "trace/trace_file.hpp"

namespace glassheap::recorder {

class CallSites {
 public:
  // The number of the tag for a caller; 0, for no tag, if there is no object around it, or if there are
  // most_sites others. O(1).
  [[nodiscard]] std::uint32_t number_of(const Caller& caller, trace::TraceFile& file) noexcept {
    const Slot slot = find(caller.site, file);
    return slot.rule == 0 ? slot.number : number_above(caller, slot, file);
  }
  // Finds _dl_find_object; once, without a lock, because dlsym takes that of the loader.
  void find_loader() noexcept;
  // For a new file, which numbers its tags from the beginning. O(1): the system clears the pages.
  void begin_anew() noexcept;
  // After a library was closed. If the number of libraries that were unloaded is another one than
  // before, all places are forgotten: another library may lie at their addresses. The tags keep their
  // numbers, and a place that comes again gets a new one. O(1).
  void forget_unloaded(std::uint64_t unloaded) noexcept;

 private:
  struct Slot {
    std::uintptr_t site = 0;  // 0: the slot is empty
    std::uint32_t number = 0;
    std::uint32_t rule = 0;  // its index and 1; 0: it has none
  };
  static constexpr std::size_t most_sites = 1 << 16;
  static constexpr std::size_t most_rules = 64;
  static constexpr int most_frames = 8;  // a form of operator new calls another one
  static constexpr std::size_t slot_count = 2 * most_sites;

  // Multiplicative hashing, by the golden ratio (Knuth).
  [[nodiscard]] static std::size_t home_of(std::uintptr_t site) noexcept {
    return static_cast<std::size_t>(site * 0x9E3779B97F4A7C15U >> 40) & (slot_count - 1);
  }
  // The slot that has the site, or the empty one where it belongs.
  [[nodiscard]] Slot& slot_of(std::uintptr_t site) const noexcept {
    std::size_t at = home_of(site);
    while (slots_[at].site != 0 && slots_[at].site != site) at = (at + 1) & (slot_count - 1);
    return slots_[at];
  }
  [[nodiscard]] Slot find(std::uintptr_t site, trace::TraceFile& file) noexcept {
    if (slots_ == nullptr) return add_to_new_table(site, file);
    const Slot& slot = slot_of(site);
    return slot.site == site ? slot : add(site, file);
  }
  void forget() noexcept;
  struct FoundObject;
  [[gnu::cold]] Slot add_to_new_table(std::uintptr_t site, trace::TraceFile& file) noexcept;
  [[gnu::cold]] Slot add(std::uintptr_t site, trace::TraceFile& file) noexcept;
  // The index of a new rule and 1, if the site is in operator new; otherwise 0.
  std::uint32_t add_rule(std::uintptr_t site, const FoundObject& found) noexcept;
  // The number of a new tag for the site, which lies in this object.
  [[nodiscard]] std::uint32_t add_tag(std::uintptr_t site, const FoundObject& found,
                                      trace::TraceFile& file) noexcept;
  // Of a site in operator new that is in the table.
  [[nodiscard]] [[gnu::cold]] std::uint32_t number_within(std::uintptr_t site,
                                                          trace::TraceFile& file) noexcept;
  // Of the next caller that is not in operator new; of the place in operator new if it cannot be told.
  [[nodiscard]] std::uint32_t number_above(Caller caller, Slot slot,
                                           trace::TraceFile& file) noexcept;

  using FindObject = int (*)(void* address, FoundObject* result);

  FindObject find_object_ = nullptr;
  Slot* slots_ = nullptr;
  std::size_t count_ = 0;
  std::uint64_t unloaded_ = 0;  // libraries
  std::uint32_t last_ = 0;      // the number that was given last
  std::array<FrameRule, most_rules> rules_{};
  std::uint32_t rule_count_ = 0;
  bool refused_ = false;  // by the system: there are no pages for a table
};

}  // namespace glassheap::recorder
