// trace_columns.hpp: a recorded trace, as Python passes it.
//
// A trace is three columns: the kind (0 malloc, 1 realloc, 2 free), the block's number, the bytes. A
// fourth one, of the alignments asked for (0: none), may be missing.
#pragma once

#include "arguments.hpp"

namespace glassheap::bindings {

enum Kind : std::uint8_t { malloc_kind, realloc_kind, free_kind };

struct Operation {
  std::uint8_t kind;
  std::uint32_t id;
  std::uint64_t bytes;
  std::uint64_t align;
};

// The columns, held while they are read.
class Columns {
 public:
  // `aligns` may be null or None.
  Columns(py::handle kinds, py::handle ids, py::handle sizes, py::handle aligns = {})
      : kinds_(require_buffer(kinds, "kinds")),
        ids_(require_buffer(ids, "ids")),
        sizes_(require_buffer(sizes, "sizes")) {
    if (kinds_.itemsize != 1 || ids_.itemsize != 4 || sizes_.itemsize != 8)
      throw py::value_error("kinds, ids and sizes have items of 1, 4 and 8 bytes.");
    if (kinds_.size != ids_.size || ids_.size != sizes_.size)
      throw py::value_error("kinds, ids and sizes have the same length.");
    if (aligns && !aligns.is_none()) hold_aligns(aligns);
  }

  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(kinds_.size); }
  [[nodiscard]] Operation operator[](std::size_t i) const {
    return {at<std::uint8_t>(kinds_, i), at<std::uint32_t>(ids_, i), at<std::uint64_t>(sizes_, i),
            aligns_.ptr == nullptr ? 0 : at<std::uint64_t>(aligns_, i)};
  }

 private:
  void hold_aligns(py::handle aligns) {
    aligns_ = require_buffer(aligns, "aligns");
    if (aligns_.itemsize != 8 || aligns_.size != kinds_.size)
      throw py::value_error("aligns has items of 8 bytes, as many as kinds.");
  }
  template <typename Item>
  static Item at(const py::buffer_info& info, std::size_t i) {
    return static_cast<const volatile Item*>(info.ptr)[i];  // volatile: read once
  }
  py::buffer_info kinds_, ids_, sizes_, aligns_;
};

// Returns true if a trace of `id_count` blocks may have this operation: its kind, its block, and its
// alignment, which is 0 or a power of two. Without a branch: a trace has many operations.
inline bool is_valid(const Operation& operation, std::size_t id_count) {
  const bool sound = (operation.kind <= free_kind) & (operation.id < id_count);
  return sound & ((operation.align & (operation.align - 1)) == 0);
}

// Throws ValueError if operation i is not valid.
inline void require_valid(const Operation& operation, std::size_t i, std::size_t id_count) {
  if (!is_valid(operation, id_count))
    throw py::value_error("operation " + std::to_string(i) + " has no such kind, id or alignment.");
}

}  // namespace glassheap::bindings
