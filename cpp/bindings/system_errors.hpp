// system_errors.hpp: what the system refuses, as an OSError with the name or the path of the segment.
#pragma once

#include "bindings.hpp"
#include "glassheap/shared_heap.hpp"

namespace glassheap::bindings {

// The name of a file, which need not be UTF-8, as Python has it.
py::object file_name(const std::string& name);

// "shared memory 'name'", "the file 'path'" or "a buffer".
py::str place_of(const SegmentLocation& location);

// As raise_if(); for a system_error, the OSError of that number.
void raise_if_refused(const Fault& fault, const SegmentLocation& location);

// Raises the OSError with the path of a recording (Options::record) that cannot be made. Does
// nothing for any other fault.
void raise_if_unrecorded(const Fault& fault, const std::optional<std::string>& path);
// The same for the error (errno) of any recording.
[[noreturn]] void raise_unrecorded(int error, const std::string& path);

}  // namespace glassheap::bindings
