// shared_type.cpp: SharedHeap.
//
// create() and attach() are written in Python (glassheap/shared.py), over the two functions here.

#include <pybind11/stl.h>

#include <cerrno>
#include <system_error>

#include "arguments.hpp"
#include "buffers.hpp"
#include "option_table.hpp"
#include "raise.hpp"
#include "registry.hpp"

namespace glassheap::bindings {
namespace {

// The self of a method. Not an OpenHeap: a Heap that is no SharedHeap is refused.
using Self = const py::object&;
SharedHeap& heap_in(Self self) {
  if (!py::isinstance<SharedHeap>(self)) throw py::type_error("a SharedHeap is needed here.");
  return static_cast<SharedHeap&>(*require_heap(self));
}

// --- What the system refuses. ------------------------------------------------------------------

// Python's format: {0} is the name or the path, {1} the system's own words.
const char* sentence_of(int error) {
  switch (error) {
    case EEXIST:
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

py::object file_name(const std::string& name) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeFSDefaultAndSize(name.data(), static_cast<Py_ssize_t>(name.size())));
}

// Python makes a FileExistsError, say, of an OSError with that number.
[[noreturn]] void raise_system_error(const Fault& fault, const SegmentLocation& location) {
  const int error = fault.system_error;
  const py::object where = file_name(location.path.empty() ? location.name : location.path);
  const py::str text(sentence_of(error));
  const py::tuple arguments =
      py::make_tuple(error, text.format(where, std::generic_category().message(error)), where);
  const py::object instance = py::handle(PyExc_OSError)(*arguments);
  PyErr_SetObject(py::type::of(instance).ptr(), instance.ptr());
  throw py::error_already_set();
}

void raise_if_refused(const Fault& fault, const SegmentLocation& location) {
  if (fault.kind == FaultKind::system_error) raise_system_error(fault, location);
  raise_if(fault);
}

// --- Construction. -----------------------------------------------------------------------------

double read_timeout(const py::object& timeout) {
  if (PyNumber_Check(timeout.ptr()) == 0) throw py::type_error("timeout must be a number.");
  const double seconds = PyFloat_AsDouble(timeout.ptr());
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (!(seconds >= 0)) throw py::value_error("timeout is a number of seconds from 0 upwards.");
  return seconds;
}

// At most one is given: the strings are empty if not, the buffer is None.
SegmentLocation location_of(const std::string& name, const std::string& path,
                            const py::object& buffer) {
  if (!buffer.is_none()) return location_in(buffer);
  SegmentLocation location;
  location.name = name;
  location.path = path;
  return location;
}

// Opens a heap without the GIL: it may wait for another process.
template <typename Open>
std::unique_ptr<SharedHeap> open_in(const SegmentLocation& location, Open open) {
  Fault fault;
  std::unique_ptr<SharedHeap> heap;
  {
    const py::gil_scoped_release gil_released;
    heap = open(fault);
  }
  raise_if_refused(fault, location);
  return heap;
}

std::unique_ptr<SharedHeap> create(const std::string& name, const std::string& path,
                                   const py::object& buffer, const py::object& size,
                                   const py::object& timeout, const py::dict& given) {
  Options options = read_options(given, OptionSet::shared_heap);
  if (!size.is_none()) options.size = require_size(size, "size");
  const SharedHeap::Opening how{.location = location_of(name, path, buffer),
                                .timeout = read_timeout(timeout)};
  return open_in(how.location,
                 [&](Fault& fault) { return SharedHeap::create(options, how, fault); });
}

std::unique_ptr<SharedHeap> attach(const std::string& name, const std::string& path,
                                   const py::object& buffer, const py::object& timeout,
                                   const std::string& policy) {
  const SharedHeap::Opening how{.location = location_of(name, path, buffer),
                                .timeout = read_timeout(timeout)};
  return open_in(how.location,
                 [&](Fault& fault) { return SharedHeap::attach(how, policy, fault); });
}

void add_functions(py::module_& module) {
  module.def("_create_shared", &create, py::arg("name"), py::arg("path"), py::arg("buffer"),
             py::arg("size"), py::arg("timeout"), py::arg("options"),
             R"(Make a SharedHeap in a new segment.

name and path are bytes, empty if not given; buffer is None, or size is.)");
  module.def("_attach_shared", &attach, py::arg("name"), py::arg("path"), py::arg("buffer"),
             py::arg("timeout"), py::arg("policy"),
             "Attach to a SharedHeap; an empty policy is any policy.");
}

// --- The type. ---------------------------------------------------------------------------------

// Calls the heap; throws if it refuses.
template <typename Call>
auto call_heap(Self self, Call call) {
  SharedHeap& heap = heap_in(self);
  Fault fault;
  auto result = call(heap, fault);
  raise_if_refused(fault, heap.location());
  return result;
}

void unlink(Self self) {
  call_heap(self, [](SharedHeap& heap, Fault& fault) { return heap.unlink(fault); });
}

void flush(Self self) {
  call_heap(self, [](SharedHeap& heap, Fault& fault) { return heap.flush(fault); });
}

std::size_t reap(Self self) {
  return call_heap(self, [](SharedHeap& heap, Fault& fault) { return heap.reap(fault); });
}

void copy_into(Self self, const py::object& buffer) {
  const BorrowedBuffer copy = borrow(buffer);
  call_heap(self,
            [&](SharedHeap& heap, Fault& fault) { return heap.copy_into(copy.bytes, fault); });
}

py::list owners(Self self) {
  const RecordMaker record("OwnedBlock");
  py::list list;
  const std::vector<OwnedBlock> owned =
      call_heap(self, [](SharedHeap& heap, Fault& fault) { return heap.owners(fault); });
  for (const OwnedBlock& one : owned)
    list.append(
        record(py::make_tuple(one.block.address, one.block.size, one.pid, one.alive, one.holders)));
  return list;
}

py::object block_at(Self self, const py::object& given) {
  std::uint64_t address = 0;
  if (!read_address(given.ptr(), address)) throw py::error_already_set();
  Fault fault;
  Handle handle;
  heap_in(self).handle_of(address, handle, fault);
  raise_if(fault, given.ptr());
  return py::reinterpret_steal<py::object>(make_block(self, handle, Ownership::borrowed));
}

// The Block for a pickled copy. If the sender, a process's number, is not negative, the copy takes
// over the reference that the sender added for it.
py::object receive(Self self, Address address, Size size, std::uint64_t epoch, std::uint16_t serial,
                   int sender) {
  const Handle handle{address, size, epoch, serial};
  const bool shared = sender >= 0;
  Fault fault;
  if (shared) heap_in(self).transfer_ref(handle, static_cast<std::uint8_t>(sender), fault);
  raise_if(fault);
  const Ownership ownership = shared ? Ownership::shared_ref : Ownership::borrowed;
  return py::reinterpret_steal<py::object>(make_block(self, handle, ownership));
}

constexpr const char* shared_doc =
    R"(A heap that many processes use at once: in shared memory, in a file, or in a mapped buffer.

Made by SharedHeap.create and attached to by SharedHeap.attach. Everything is in the segment: the
blocks, which of them are free, the policy's index, the lock. Addresses are offsets, the same in
every process. If a process is killed inside a call, the next process recovers the heap: at most the
block in flight is lost, and stats().recovered counts it. Every wait for another process ends after
timeout seconds with LockTimeout; it holds the GIL.

A view pins its block in this process only: free a block when no other process uses it, or share()
it.)";

// The class is not called: a call would not say where the heap is.
std::unique_ptr<SharedHeap> refuse_call(const py::args&, const py::kwargs&) {
  throw py::type_error(
      "a SharedHeap is made by SharedHeap.create(name, size), and attached to by "
      "SharedHeap.attach(name).");
}

void add_operations(SharedHeapClass& type) {
  type.def(py::init(&refuse_call))
      .def("unlink", &unlink,
           R"(Remove the name or the file: no process can attach any more.

Attached processes keep the heap. Raises FileNotFoundError if it is gone already.)")
      .def("flush", &flush,
           R"(Wait until the file has all bytes written. No effect in shared memory.

O(size). Raises OSError if the system cannot, HeapClosed.)")
      .def("block", &block_at, py::arg("address"), R"(Return a Block for the live block at address.

It does not free the block when it is collected. Raises what usable_size raises.)")
      .def("reap", &reap,
           R"(Drop the references of dead processes to blocks; return how many blocks that freed.

Raises HeapDamaged, HeapClosed.)")
      .def(
          "owners", &owners,
          R"(Return an OwnedBlock for each live block: the process that allocated it, dead or alive.

O(n). Raises HeapClosed.)");
}

// None for an empty string.
py::object name_or_none(const std::string& name) {
  return name.empty() ? py::none() : file_name(name);
}

py::tuple identity(Self self) {
  const Key key = heap_in(self).identity();
  return py::make_tuple(key[0], key[1]);
}

// "shared memory 'name'", "the file 'path'" or "a buffer".
py::str place(const SegmentLocation& location) {
  if (!location.path.empty()) return py::str("the file {!r}").format(file_name(location.path));
  if (location.name.empty()) return py::str("a buffer");
  return py::str("shared memory {!r}").format(file_name(location.name));
}

py::str represent_shared_heap(Self self) {
  SharedHeap& heap = heap_in(self);
  const Options& options = heap.options();
  const py::str where = place(heap.location());
  Fault closed;
  const Stats s = heap.stats(closed);
  if (closed)
    return py::str("<SharedHeap of {} bytes in {}, {}, closed>")
        .format(heap.size(), where, options.policy);
  return py::str("<SharedHeap of {} bytes in {}, {}: {} live, {} free, {} bytes available>")
      .format(heap.size(), where, options.policy, s.live_blocks, s.free_blocks, s.available);
}

void add_location(SharedHeapClass& type) {
  type.def_property_readonly(
          "name", [](Self self) { return name_or_none(heap_in(self).location().name); },
          "The segment's name in shared memory; None for a file or a buffer.")
      .def_property_readonly(
          "path", [](Self self) { return name_or_none(heap_in(self).location().path); },
          "The file's path, or None.")
      .def("__repr__", &represent_shared_heap);
}

// For glassheap.shared and glassheap.images.
void add_private(SharedHeapClass& type) {
  type.def_property_readonly("_number", [](Self self) { return heap_in(self).number(); })
      .def_property_readonly("_identity", &identity)
      .def("_copy_into", &copy_into)
      .def("_receive", &receive);
}

}  // namespace

SharedHeapClass add_shared_heap(py::module_& module) {
  SharedHeapClass type(module, "SharedHeap", shared_doc);
  add_operations(type);
  add_location(type);
  add_private(type);
  add_functions(module);
  return type;
}

}  // namespace glassheap::bindings
