// format.hpp: printf into a string, for the sentences of faults and findings.
#pragma once

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace glassheap {

using ull = unsigned long long;  // the type that %llu prints

// Cuts off what is longer than 511 characters.
template <typename... Values>
[[nodiscard]] std::string format(const char* text, Values... values) {
  std::array<char, 512> line{};
  const int length = std::snprintf(line.data(), line.size(), text, values...);
  return {line.data(), std::min(static_cast<std::size_t>(length), line.size() - 1)};
}

}  // namespace glassheap
