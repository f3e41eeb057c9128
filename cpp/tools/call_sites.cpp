#include "call_sites.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "operator_new.hpp"

namespace glassheap::recorder {
namespace {

const char* last_part(const char* path) noexcept {
  const char* const slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

// The loader has no name for the program itself.
const char* program_name() noexcept {
  static std::array<char, 4096> path{};
  if (path[0] == '\0' && readlink("/proc/self/exe", path.data(), path.size() - 1) <= 0)
    return "program";
  return last_part(path.data());
}

const char* name_of(const link_map& object) noexcept {
  return object.l_name[0] == '\0' ? program_name() : last_part(object.l_name);
}

}  // namespace

// As in dlfcn.h of glibc 2.35 and later; the wheel is built with an older one. A platform has more
// members behind these.
struct CallSites::FoundObject {
  unsigned long long flags;
  void* map_start;
  void* map_end;
  link_map* object;
  void* frame_table;  // .eh_frame_hdr
  std::array<void*, 15> more;
};

void CallSites::find_loader() noexcept {
  find_object_ = reinterpret_cast<FindObject>(dlsym(RTLD_DEFAULT, "_dl_find_object"));
}

CallSites::Slot CallSites::add_to_new_table(std::uintptr_t site, trace::TraceFile& file) noexcept {
  if (refused_ || find_object_ == nullptr) return {};
  void* const pages = mmap(nullptr, slot_count * sizeof(Slot), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  refused_ = pages == MAP_FAILED;
  if (refused_) return {};
  slots_ = static_cast<Slot*>(pages);
  return add(site, file);
}

// The last byte of the call is in its line; the return address may be in the next one.
CallSites::Slot CallSites::add(std::uintptr_t site, trace::TraceFile& file) noexcept {
  if (count_ == most_sites) return {};
  ++count_;
  Slot& slot = slot_of(site);
  slot.site = site;
  FoundObject found{};
  if (find_object_(reinterpret_cast<void*>(site - 1), &found) != 0) return slot;
  slot.rule = add_rule(site, found);
  if (slot.rule == 0) slot.number = add_tag(site, found, file);
  return slot;
}

std::uint32_t CallSites::add_tag(std::uintptr_t site, const FoundObject& found,
                                 trace::TraceFile& file) noexcept {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), "%.255s+0x%zx", name_of(*found.object),
                static_cast<std::size_t>(site - 1 - found.object->l_addr));
  file.add(trace::Mark{trace::MarkKind::tag, ++last_, text.data()});
  return last_;
}

std::uint32_t CallSites::add_rule(std::uintptr_t site, const FoundObject& found) noexcept {
  if (rule_count_ == most_rules || !is_in_operator_new(*found.object, site) ||
      !find_frame_rule(site, found.frame_table, rules_[rule_count_]))
    return 0;
  return ++rule_count_;
}

std::uint32_t CallSites::number_above(Caller caller, Slot slot, trace::TraceFile& file) noexcept {
  std::uintptr_t within = 0;
  for (int frames = 0; slot.rule != 0 && frames < most_frames; ++frames) {
    within = caller.site;
    caller = caller_of(caller, rules_[slot.rule - 1]);
    slot = caller.site == 0 ? Slot{} : find(caller.site, file);
  }
  return slot.number != 0 ? slot.number : number_within(within, file);
}

std::uint32_t CallSites::number_within(std::uintptr_t site, trace::TraceFile& file) noexcept {
  Slot& slot = slot_of(site);
  FoundObject found{};
  if (slot.number == 0 && find_object_(reinterpret_cast<void*>(site - 1), &found) == 0)
    slot.number = add_tag(site, found, file);
  return slot.number;
}

void CallSites::forget() noexcept {
  count_ = rule_count_ = 0;
  if (slots_ != nullptr) madvise(slots_, slot_count * sizeof(Slot), MADV_DONTNEED);
}

void CallSites::begin_anew() noexcept {
  forget();
  last_ = 0;
}

void CallSites::forget_unloaded(std::uint64_t unloaded) noexcept {
  if (unloaded == unloaded_) return;
  unloaded_ = unloaded;
  forget();
}

}  // namespace glassheap::recorder
