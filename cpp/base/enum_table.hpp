// enum_table.hpp: tables with a row for each enumerator.
#pragma once

#include <cstddef>

namespace glassheap {

// Returns true if each row's key is the enumerator of the row's number, from 0 up to `last`.
template <typename Rows, typename Enum>
[[nodiscard]] constexpr bool has_row_for_each(const Rows& rows, Enum last) {
  std::size_t number = 0;
  for (const auto& row : rows) {
    if (row.key != static_cast<Enum>(number++)) return false;
  }
  return number == static_cast<std::size_t>(last) + 1;
}

}  // namespace glassheap
