#include "call_sites.hpp"

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

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
  std::array<void*, 16> more;
};

void CallSites::find_loader() noexcept {
  find_object_ = reinterpret_cast<FindObject>(dlsym(RTLD_DEFAULT, "_dl_find_object"));
}

std::uint32_t CallSites::number_in_new_table(std::uintptr_t site, trace::TraceFile& file) noexcept {
  if (refused_ || find_object_ == nullptr) return 0;
  void* const pages = mmap(nullptr, slot_count * sizeof(Slot), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  refused_ = pages == MAP_FAILED;
  if (refused_) return 0;
  slots_ = static_cast<Slot*>(pages);
  return add(site, file);
}

// The last byte of the call is in its line; the return address may be in the next one.
std::uint32_t CallSites::add(std::uintptr_t site, trace::TraceFile& file) noexcept {
  if (count_ == most_sites) return 0;
  ++count_;
  Slot& slot = slot_of(site);
  slot.site = site;
  FoundObject found{};
  if (find_object_(reinterpret_cast<void*>(site - 1), &found) != 0) return slot.number = 0;
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), "%.255s+0x%zx", name_of(*found.object),
                static_cast<std::size_t>(site - 1 - found.object->l_addr));
  file.add(trace::Mark{trace::MarkKind::tag, ++last_, text.data()});
  return slot.number = last_;
}

void CallSites::forget() noexcept {
  count_ = last_ = 0;
  if (slots_ != nullptr) madvise(slots_, slot_count * sizeof(Slot), MADV_DONTNEED);
}

}  // namespace glassheap::recorder
