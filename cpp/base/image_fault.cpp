#include "base/image_fault.hpp"

#include <sys/stat.h>

#include <array>
#include <cstring>

#include "base/format.hpp"

namespace glassheap {
namespace {

// The first eight bytes of a file, each that is no letter as a point.
std::string as_text(std::uint64_t word) {
  std::string text(sizeof word, '.');
  std::array<char, sizeof word> bytes{};
  std::memcpy(bytes.data(), &word, sizeof word);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (bytes[i] >= ' ' && bytes[i] <= '~') text[i] = bytes[i];
  }
  return text;
}

std::string no_image(const Fault& fault) {
  return "this is no glassheap image: its magic number, the first 8 bytes, is '" +
         as_text(fault.found) + "', and that of an image is '" + as_text(fault.expected) + "'.";
}

std::string wrong_file_type(const Fault& fault) {
  return std::string("this is no glassheap image, but ") + name_of_file_type(fault.found) +
         ": the type of an image is a regular file.";
}

std::string other_kind(const Fault& fault) {
  if (fault.found == 0)
    return "this is the image of a heap with bytes. Attach to it with SharedHeap.";
  return "this is the image of a heap of offsets. Attach to it with SharedOffsetHeap.";
}

std::string short_image(const Fault& fault) {
  if (fault.found == 0) return "this is no glassheap image: its size is 0, an empty file.";
  return format(
      "this glassheap image is cut short: its size is %llu bytes, and should be at least %llu. "
      "Restore it from a copy.",
      ull{fault.found}, ull{fault.expected});
}

std::string wrong_front(const Fault& fault) {
  const std::string is = format("the front of this glassheap image is wrong: its field '%s' is ",
                                fault.field == nullptr ? "" : fault.field);
  const std::string ending = " Check a copy with glassheap fsck.";
  if (fault.expected == fault.found)
    return is + "not as this version on this machine writes it." + ending;
  return is + format("0x%llx instead of 0x%llx.", ull{fault.found}, ull{fault.expected}) + ending;
}

std::string wrong_blocks(const Fault& fault) {
  const std::string values =
      fault.expected == fault.found
          ? ""
          : format(", 0x%llx instead of 0x%llx", ull{fault.found}, ull{fault.expected});
  return format("the blocks of this glassheap image are damaged: '%s' is wrong at offset %llu",
                name_of(fault.rule), ull{fault.offset}) +
         values + ". glassheap fsck says what --rebuild would save.";
}

}  // namespace

std::string bad_image_sentence(const Fault& fault) {
  const std::string_view field = fault.field == nullptr ? "" : fault.field;
  if (fault.rule != Rule::none) return wrong_blocks(fault);
  if (field == "magic") return no_image(fault);
  if (field == "type") return wrong_file_type(fault);
  if (field == "granule") return other_kind(fault);
  return field == "size" ? short_image(fault) : wrong_front(fault);
}

const char* name_of_file_type(std::uint64_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFIFO:
      return "a FIFO";
    case S_IFDIR:
      return "a folder";
    case S_IFSOCK:
      return "a socket";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFREG:
      return "a file";
    default:
      return "a device";
  }
}

}  // namespace glassheap
