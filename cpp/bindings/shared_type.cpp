// shared_type.cpp: SharedHeap. What Python alone must know, which of them this process has, is in
// glassheap.shared.

#include <pybind11/stl.h>
#include <unistd.h>

#include "arguments.hpp"
#include "opening.hpp"

namespace glassheap::bindings {
namespace {

const std::initializer_list<std::string_view> options_taken = {
    "policy", "headers", "checks", "magic", "zero_on_free", "fit", "order", "coalesce"};

py::object in_python(const char* name) {
  return py::module_::import("glassheap.shared").attr(name);
}

// The self of a method, and the heap in it; one that nobody opened is none.
using Self = const py::object&;
SharedHeap& heap_in(Self self) {
  if (!py::isinstance<SharedHeap>(self)) throw py::type_error("what is needed is a SharedHeap.");
  return static_cast<SharedHeap&>(*require_heap(self));
}

// Where a heap is, of three arguments of which at most one may be given.
SegmentLocation place_of(const py::object& name, const py::object& path, const py::object& buffer) {
  SegmentLocation place;
  if ((name.is_none() ? 0 : 1) + (path.is_none() ? 0 : 1) + (buffer.is_none() ? 0 : 1) > 1)
    throw py::type_error("a shared heap has a name, a path or a buffer: give one of them.");
  if (!path.is_none()) {
    place.path = py::module_::import("os").attr("fspath")(path).cast<std::string>();
  } else if (!buffer.is_none()) {
    const Borrowed bytes = borrow(buffer);
    if (reinterpret_cast<Address>(bytes.span.data()) % 64 != 0)
      throw py::value_error("bytes that processes share begin at a multiple of 64, as in an mmap.");
    place.data = bytes.span.data();
    place.size = bytes.span.size();
    place.keeper = bytes.keeper;
  } else {
    place.name = in_python("checked_name")(name).cast<std::string>();
  }
  return place;
}

[[noreturn]] void raise_system_error(const Fault& fault, const SegmentLocation& place) {
  const py::object error = in_python("system_error")(fault.system_error, place.name, place.path);
  PyErr_SetObject(py::type::of(error).ptr(), error.ptr());
  throw py::error_already_set();
}

void raise_unshared(const Fault& fault, const Options& options, const SegmentLocation& place) {
  if (fault.kind == FaultKind::system_error) raise_system_error(fault, place);
  raise_unopened(fault, options, py::none());
}

SharedHeap::Opening opening(const SegmentLocation& place, double timeout) {
  if (!(timeout >= 0)) throw py::value_error("timeout is a number of seconds from 0 upwards.");
  SharedHeap::Opening how;
  how.location = place;
  how.timeout = timeout;
  return how;
}

py::object registered(std::unique_ptr<SharedHeap> heap, bool creator) {
  py::object object = py::cast(std::move(heap));
  in_python("register")(object, creator);
  return object;
}

py::object create(const py::object& name, const py::object& size, const py::object& path,
                  const py::object& buffer, double timeout, const py::kwargs& given) {
  Options options = read_options(given, options_taken);
  const SegmentLocation place = place_of(name, path, buffer);
  if (size.is_none() == (place.data == nullptr))
    throw py::type_error("a shared heap needs its size in bytes, unless a buffer has one.");
  if (!size.is_none()) options.size = read_bytes(size, "size");
  Fault fault;
  std::unique_ptr<SharedHeap> heap;
  {
    const py::gil_scoped_release gil_released;
    heap = SharedHeap::create(options, opening(place, timeout), fault);
  }
  raise_unshared(fault, options, place);
  return registered(std::move(heap), true);
}

py::object attach_to(const SegmentLocation& place, const py::object& policy,
                     const SharedHeap::Opening& how) {
  const std::string wanted = policy.is_none() ? "" : py::str(policy).cast<std::string>();
  Fault fault;
  std::unique_ptr<SharedHeap> heap;
  {
    const py::gil_scoped_release gil_released;
    heap = SharedHeap::attach(how, wanted, fault);
  }
  raise_unshared(fault, {}, place);
  return registered(std::move(heap), false);
}

py::object attach(const py::object& name, const py::object& path, const py::object& buffer,
                  const py::object& policy, double timeout) {
  if (name.is_none() && path.is_none() && buffer.is_none())
    throw py::type_error("attach needs a name, a path or a buffer.");
  const SegmentLocation place = place_of(name, path, buffer);
  return attach_to(place, policy, opening(place, timeout));
}

// Of a copy of an image, which is this process's own.
py::object attach_copy(const py::object& buffer, bool salvage) {
  const SegmentLocation place = place_of(py::none(), py::none(), buffer);
  SharedHeap::Opening how = opening(place, 0);
  how.copy = true;
  how.salvage = salvage;
  return attach_to(place, py::none(), how);
}

// (recovered, (start, end, keep) in flight, pids of living users, payloads of live blocks): of the
// copy of an image, as it lies there.
py::tuple read_image(const py::object& buffer) {
  Image image;
  Fault fault;
  SharedHeap::read(place_of(py::none(), py::none(), buffer), image, fault);
  raise_if(fault);
  return py::make_tuple(
      image.recovered,
      py::make_tuple(image.in_flight_start, image.in_flight_end, image.in_flight_keep), image.users,
      image.live);
}

std::optional<std::uint64_t> image_generation(const py::bytes& front) {
  const std::string_view bytes = front;
  return SharedHeap::generation(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

template <typename Call>
void calling(Self self, Call call) {
  SharedHeap& heap = heap_in(self);
  Fault fault;
  call(heap, fault);
  if (fault.kind == FaultKind::system_error) raise_system_error(fault, heap.location());
  raise_if(fault);
}

py::object block_at(Self self, const py::object& given) {
  std::uint64_t address = 0;
  if (!read_address(given.ptr(), address)) throw py::error_already_set();
  Fault fault;
  Handle handle;
  heap_in(self).handle_of(address, handle, fault);
  raise_if(fault, given.ptr());
  return py::reinterpret_steal<py::object>(make_block(self, handle, Ownership::none));
}

// A block that was sent: held, if it is one of several, in place of the sender.
py::object receive(Self self, Address address, Size size, std::uint64_t epoch, std::uint16_t serial,
                   int from) {
  const Handle handle{address, size, epoch, serial};
  Fault fault;
  if (from >= 0) heap_in(self).transfer_ref(handle, static_cast<std::uint8_t>(from), fault);
  raise_if(fault);
  const Ownership hold = from >= 0 ? Ownership::shared : Ownership::none;
  return py::reinterpret_steal<py::object>(make_block(self, handle, hold));
}

py::list owners(Self self) {
  const RecordMaker record("OwnedBlock");
  py::list list;
  std::vector<OwnedBlock> owned;
  calling(self, [&](SharedHeap& heap, Fault& fault) { owned = heap.owners(fault); });
  for (const OwnedBlock& one : owned)
    list.append(
        record(py::make_tuple(one.block.address, one.block.size, one.pid, one.alive, one.holders)));
  return list;
}

constexpr const char* shared_doc =
    R"(A heap that many processes use at once: in shared memory, in a file, or in a mapped buffer.

Made by SharedHeap.create and attached to by SharedHeap.attach. Everything is in the segment: the
blocks, which of them are free, the policy's index, the lock. Addresses are offsets, the same in
every process. A process that is killed inside leaves a heap that the next one makes whole: at most
the block in flight is lost, and stats().recovered counts it. Every wait for another process ends
after timeout seconds with LockTimeout; it holds the GIL.

A view pins its block in this process alone; who frees a block must know that no other process
looks at it, or share() it.)";

using Class = py::class_<SharedHeap, Heap>;

void add_making(Class& type) {
  type.def_static("create", &create, py::arg("name") = py::none(), py::arg("size") = py::none(),
                  py::kw_only(), py::arg("path") = py::none(), py::arg("buffer") = py::none(),
                  py::arg("timeout") = 10.0,
                  R"(Make a heap of size bytes in a new segment, and return it.

The segment is POSIX shared memory of that name (by default one that nobody has), or the file at
path, or the mapped bytes of buffer, which have a size of their own. Options are those of Heap but
threads and base. Used in a with statement the heap is unlinked when its creator leaves it.

Raises FileExistsError if there is one already, OSError where there is no room or no permission, and
what Heap raises.)")
      .def_static("attach", &attach, py::arg("name") = py::none(), py::kw_only(),
                  py::arg("path") = py::none(), py::arg("buffer") = py::none(),
                  py::arg("policy") = py::none(), py::arg("timeout") = 10.0,
                  R"(Return the heap of that name, at that path, or in that buffer.

Where no living process has it, every block is looked at: O(n). Raises FileNotFoundError if there is
none, BadImage for what is no heap, is damaged, or has another policy than asked for, AttachTimeout
if its maker has not finished within timeout seconds.)")
      .def_static("_attach_copy", &attach_copy, py::arg("buffer"), py::arg("mend") = false,
                  "Attach to a copy of an image that nobody else has.");
}

void add_managing(Class& type) {
  type.def(
          "unlink",
          [](Self self) {
            calling(self, [](SharedHeap& heap, Fault& fault) { heap.unlink(fault); });
          },
          R"(Take the name or the file away. Who has attached keeps the heap; nobody can attach any more.

Raises FileNotFoundError if it is gone already.)")
      .def(
          "flush",
          [](Self self) {
            calling(self, [](SharedHeap& heap, Fault& fault) { heap.flush(fault); });
          },
          R"(Wait until the file has all that was written. Nothing to do in shared memory.

O(size). Raises OSError if the system cannot, HeapClosed.)")
      .def("block", &block_at, py::arg("address"), R"(Return a Block for the live block at address.

It does not free the block when it goes. Raises what usable_size raises.)")
      .def(
          "reap",
          [](Self self) {
            std::size_t freed = 0;
            calling(self, [&freed](SharedHeap& heap, Fault& fault) { freed = heap.reap(fault); });
            return freed;
          },
          R"(Let go of all that dead processes held by share(), and return how many blocks that freed.

Raises HeapDamaged, HeapClosed.)")
      .def(
          "owners", &owners,
          R"(Return an OwnedBlock for each live block: which process allocated it, and does it live.

O(n). Raises HeapClosed.)");
}

// Where it is, and how it goes to another process.
void add_travelling(Class& type) {
  type.def("_copy_into",
           [](Self self, const py::object& buffer) {
             const Borrowed bytes = borrow(buffer);
             calling(self, [&](SharedHeap& heap, Fault& f) { heap.copy_into(bytes.span, f); });
           })
      .def("_receive", &receive)
      .def_property_readonly("_number", [](Self self) { return heap_in(self).number(); })
      .def_property_readonly("_identity",
                             [](Self self) {
                               const Key key = heap_in(self).identity();
                               return py::make_tuple(key[0], key[1]);
                             })
      .def_property_readonly(
          "name",
          [](Self self) {
            const std::string& name = heap_in(self).location().name;
            return name.empty() ? py::object(py::none()) : py::object(py::str(name));
          },
          "The segment's name in shared memory; None for a file or a buffer.")
      .def_property_readonly(
          "path",
          [](Self self) {
            const std::string& path = heap_in(self).location().path;
            return path.empty() ? py::object(py::none()) : py::object(py::str(path));
          },
          "The file's path, or None.")
      .def("__exit__", [](Self self, const py::args&) { in_python("leave")(self); })
      .def("__reduce__", [](Self self) { return in_python("reduce_heap")(self); });
}

}  // namespace

void add_shared_heap(py::module_& module) {
  Class type(module, "SharedHeap", shared_doc);
  add_making(type);
  add_managing(type);
  add_travelling(type);
  module.def(
      "_image_generation", &image_generation, py::arg("front"),
      "Odd while somebody is inside the heap whose image begins so; None if it is no image.");
  module.def("_read_image", &read_image, py::arg("buffer"),
             "What is in the copy of an image, before anybody makes it whole.");
}

}  // namespace glassheap::bindings
