#include "base/request_fault.hpp"

#include <string_view>

#include "base/format.hpp"

namespace glassheap {
std::string invalid_size_sentence(const Fault& fault, const std::string& argument) {
  const bool too_large_for_granule = fault.field != nullptr && fault.argument > fault.maximum;
  return format("the region of a heap with these options has from %llu to %llu bytes, not ",
                ull{fault.minimum * granule_of(fault)}, ull{fault.maximum}) +
         argument + "." + (too_large_for_granule ? " With a larger granule it may have more." : "");
}

std::string invalid_alignment_sentence(const Fault& fault, const std::string& argument) {
  if (fault.maximum < fault.expected) {
    return format(
               "align must be a power of two up to %llu, modulo which the addresses of this heap "
               "agree with the real ones, and ",
               ull{fault.maximum}) +
           argument +
           " is not. Open the heap without base, or over a buffer that begins at a multiple of the "
           "align.";
  }
  const bool smallest = fault.maximum == granule_of(fault);  // which every region serves
  return format("align must be a power of two up to %llu, a quarter of this region%s, and ",
                ull{fault.maximum},
                smallest ? format(" but no less than %llu", ull{fault.maximum}).c_str() : "") +
         argument + " is not.";
}

std::string invalid_base_sentence(const Fault& fault, const std::string& argument) {
  const std::string base =
      fault.argument == largest_number ? argument : format("0x%llx", ull{fault.argument});
  return "base must be a multiple of 16 with room for a region above it, and " + base + " is not.";
}

std::string invalid_granule_sentence(const std::string& argument) {
  return format("granule must be a power of two up to %llu, and ", ull{largest_granule}) +
         argument + " is not.";
}

std::string unwanted_option_sentence(const Fault& fault) {
  const std::string_view option = fault.field == nullptr ? "" : fault.field;
  if (option == "huge_pages") {
    return "the option 'huge_pages' is about memory that the heap maps itself, and this memory has "
           "an owner. Leave it out, or open a Heap of a size.";
  }
  if (option == "quarantine") {
    return "the option 'quarantine' is taken by a heap of one process with checks='debug' alone. "
           "Leave it out, or ask for these checks.";
  }
  if (option == "thread_cache") {
    return "the option 'thread_cache' is only for a heap of one process with checks='robust', "
           "which "
           "has neither zero_on_free nor record. Leave it out, or open such a heap.";
  }
  if (option == "granule") {
    return "the option 'granule' is that of a heap that describes memory which it never touches. "
           "Leave it out, or open such a heap, with a size.";
  }
  if (option == "align") {
    return "the option 'align' is taken by a heap of one process with a granule alone. Leave it "
           "out, or pass align to each call.";
  }
  if (option != "fit" && option != "order" && option != "coalesce") {
    return format(
        "the option '%s' is about bytes, and a heap with a granule never touches the memory that "
        "it describes. Leave it out.",
        fault.field == nullptr ? "" : fault.field);
  }
  return format(
      "the option '%s' is taken by the policy 'sequential_fit' alone. Leave it out, or ask for "
      "that policy.",
      fault.field);
}

}  // namespace glassheap
