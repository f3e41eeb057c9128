// request_fault.hpp: the sentences of a size, an alignment or an option that a heap cannot have.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "glassheap/fault.hpp"

namespace glassheap {

// A binding passes this number in place of any larger one.
inline constexpr std::uint64_t largest_number = std::numeric_limits<std::uint64_t>::max();

// `argument` is the text of Fault::argument.
[[nodiscard]] std::string invalid_size_sentence(const Fault& fault, const std::string& argument);
[[nodiscard]] std::string invalid_alignment_sentence(const Fault& fault,
                                                     const std::string& argument);
[[nodiscard]] std::string invalid_base_sentence(const Fault& fault, const std::string& argument);
[[nodiscard]] std::string invalid_granule_sentence(const std::string& argument);
[[nodiscard]] std::string unwanted_option_sentence(const Fault& fault);

}  // namespace glassheap
