// trace_columns.hpp: a recorded trace, as Python passes it.
//
// A trace is three columns: the kind (0 malloc, 1 realloc, 2 free), the block's number, the bytes.
#pragma once

#include "arguments.hpp"

namespace glassheap::bindings {

enum Kind : std::uint8_t { malloc_kind, realloc_kind, free_kind };

struct Operation {
  std::uint8_t kind;
  std::uint32_t id;
  std::uint64_t bytes;
};

// The three columns, held while they are read.
class Columns {
 public:
  Columns(py::handle kinds, py::handle ids, py::handle sizes)
      : kinds_(require_buffer(kinds, "kinds")),
        ids_(require_buffer(ids, "ids")),
        sizes_(require_buffer(sizes, "sizes")) {
    if (kinds_.itemsize != 1 || ids_.itemsize != 4 || sizes_.itemsize != 8)
      throw py::value_error("kinds, ids and sizes have items of 1, 4 and 8 bytes.");
    if (kinds_.size != ids_.size || ids_.size != sizes_.size)
      throw py::value_error("kinds, ids and sizes have the same length.");
  }

  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(kinds_.size); }
  [[nodiscard]] Operation operator[](std::size_t i) const {
    return {at<std::uint8_t>(kinds_, i), at<std::uint32_t>(ids_, i), at<std::uint64_t>(sizes_, i)};
  }

 private:
  template <typename Item>
  static Item at(const py::buffer_info& info, std::size_t i) {
    return static_cast<const volatile Item*>(info.ptr)[i];  // volatile: read once
  }
  py::buffer_info kinds_, ids_, sizes_;
};

// Throws ValueError if operation i has a kind or a block that no trace of `id_count` blocks has.
inline void require_valid(const Operation& operation, std::size_t i, std::size_t id_count) {
  if (operation.kind > free_kind || operation.id >= id_count)
    throw py::value_error("operation " + std::to_string(i) + " has no such kind or id.");
}

}  // namespace glassheap::bindings
