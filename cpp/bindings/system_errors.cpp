// system_errors.cpp: what the system refuses, as an OSError with the name or the path of the segment,
// or the path of the recording.

#include "system_errors.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "raise.hpp"

namespace glassheap::bindings {
namespace {

// Python's format: {0} is the name or the path, {1} the system's own words, {2} the type of a file.
const char* sentence_of(int error, bool other_type) {
  switch (error) {
    case EEXIST:
      if (other_type) return "{0!r} exists, and is {2}, no shared heap: choose another place.";
      return "there is a shared heap {0!r} already: attach to it, or unlink it first.";
    case ENOENT:
      return "there is no shared heap {0!r}: it was never made, or has been unlinked.";
    case EACCES:
      return "there is no permission to use {0!r}: ask its owner.";
    case ENOSPC:
      return "there is no room for {0!r}: ask for less, or make room where it is kept.";
    default:
      return "the operating system refuses {0!r}: {1}.";
  }
}

// The same for the file of a recording.
const char* sentence_of_recording(int error) {
  switch (error) {
    case EBUSY:
      return "another recorder is writing to {0!r}: choose another file, or end that recording.";
    case EEXIST:
      return "{0!r} is {2}, and no earlier recording, to be replaced: choose another place.";
    case ENOENT:
      return "there is no folder for the recording {0!r}: make it first.";
    case EACCES:
      return "there is no permission to write the recording {0!r}: choose another place.";
    case ENOSPC:
      return "there is no room for the recording {0!r}: make room, or choose another place.";
    default:
      return "the recording {0!r} cannot be made: {1}.";
  }
}

// Mapped memory has no file but that of its locks.
py::object refused_file(const SegmentLocation& location) {
  if (location.data != nullptr) return py::str("a lock file for the buffer, in /dev/shm");
  return file_name(location.path.empty() ? location.name : location.path);
}

// Python makes a FileExistsError, say, of an OSError with that number.
[[noreturn]] void raise_system_error(const Fault& fault, const py::object& where,
                                     const char* format) {
  const int error = fault.system_error;
  const py::str sentence = py::str(format).format(where, std::generic_category().message(error),
                                                  name_of_file_type(fault.found));
  const py::tuple arguments = py::make_tuple(error, sentence, where);
  const py::object instance = py::handle(PyExc_OSError)(*arguments);
  PyErr_SetObject(py::type::of(instance).ptr(), instance.ptr());
  throw py::error_already_set();
}

}  // namespace

py::object file_name(const std::string& name) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeFSDefaultAndSize(name.data(), static_cast<Py_ssize_t>(name.size())));
}

py::str place_of(const SegmentLocation& location) {
  if (!location.path.empty()) return py::str("the file {!r}").format(file_name(location.path));
  if (location.name.empty()) return py::str("a buffer");
  return py::str("shared memory {!r}").format(file_name(location.name));
}

void raise_if_refused(const Fault& fault, const SegmentLocation& location) {
  if (fault.kind == FaultKind::system_error) {
    const bool other_type = fault.found != 0 && !S_ISREG(fault.found);
    raise_system_error(fault, refused_file(location), sentence_of(fault.system_error, other_type));
  }
  raise_if(fault);
}

void raise_if_unrecorded(const Fault& fault, const std::optional<std::string>& path) {
  if (fault.kind != FaultKind::system_error || fault.field == nullptr) return;
  raise_unrecorded(fault.system_error, *path);
}

void raise_unrecorded(int error, const std::string& path) {
  struct stat status{};
  lstat(path.c_str(), &status);
  const Fault fault{
      .kind = FaultKind::system_error, .system_error = error, .found = status.st_mode};
  raise_system_error(fault, file_name(path), sentence_of_recording(error));
}

}  // namespace glassheap::bindings
