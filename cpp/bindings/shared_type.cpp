// shared_type.cpp: SharedHeap.
//
// create() and attach() are written in Python (glassheap/shared.py), over the two functions here.

#include <limits>

#include "arguments.hpp"
#include "buffers.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "option_table.hpp"
#include "raise.hpp"
#include "registry.hpp"
#include "system_errors.hpp"

namespace glassheap::bindings {
namespace {

// --- Construction. -----------------------------------------------------------------------------

// At most one is given: the bytes are empty if not, the buffer is None.
SegmentLocation require_location(py::handle name, py::handle path, py::handle buffer) {
  if (!buffer.is_none()) return location_in(buffer);
  SegmentLocation location;
  location.name = require_bytes(name, "name");
  location.path = require_bytes(path, "path");
  return location;
}

// Opens a heap without the GIL: it may wait for another process.
template <typename Open>
std::unique_ptr<SharedHeap> open_in(const SegmentLocation& location,
                                    const std::optional<std::string>& record, Open open) {
  Fault fault;
  std::unique_ptr<SharedHeap> heap;
  {
    const GilReleased gil_released;
    heap = open(fault);
  }
  raise_if_unrecorded(fault, record);
  raise_if_refused(fault, location);
  return heap;
}

constexpr const char create_doc[] =
    R"(_create_shared(name, path, buffer, size, timeout, options, offsets)
--

Make a SharedHeap in a new segment; with offsets, a SharedOffsetHeap.

name and path are bytes, empty if not given; buffer is None, or size is, without offsets.)";

py::object create(py::handle name, py::handle path, py::handle buffer, py::handle size,
                  py::handle timeout, py::handle given, py::handle offsets) {
  if (!py::isinstance<py::dict>(given)) throw py::type_error("options must be a dict.");
  const bool without_bytes = require_flag(offsets, "offsets");
  Options options =
      read_options(py::reinterpret_borrow<py::dict>(given),
                   without_bytes ? OptionSet::shared_offset_heap : OptionSet::shared_heap);
  if (without_bytes && !options.granule) options.granule = granule_size;
  if (!size.is_none()) options.size = require_size(size, "size");
  const SharedHeap::Opening how{.location = require_location(name, path, buffer),
                                .timeout = require_seconds(timeout, "timeout")};
  const auto open = [&](Fault& fault) { return SharedHeap::create(options, how, fault); };
  return make_shared_heap(open_in(how.location, options.record, open));
}

constexpr const char attach_doc[] =
    R"(_attach_shared(name, path, buffer, timeout, policy, offsets=None, record=None)
--

Attach to a SharedHeap, or with offsets to a SharedOffsetHeap; by default to either.

An empty policy is any policy. record is the path of a recording, or None.)";

SharedHeap::Kind require_kind(py::handle offsets) {
  if (!offsets || offsets.is_none()) return SharedHeap::Kind::any;
  return require_flag(offsets, "offsets") ? SharedHeap::Kind::offsets : SharedHeap::Kind::bytes;
}

py::object attach(py::handle name, py::handle path, py::handle buffer, py::handle timeout,
                  py::handle policy, py::handle offsets, py::handle record) {
  const SharedHeap::Opening how{.location = require_location(name, path, buffer),
                                .timeout = require_seconds(timeout, "timeout"),
                                .kind = require_kind(offsets),
                                .record = read_path(record)};
  const std::string wanted = require_string(policy, "policy");
  const auto open = [&](Fault& fault) { return SharedHeap::attach(how, wanted, fault); };
  return make_shared_heap(open_in(how.location, how.record, open));
}

std::array shared_functions = {
    module_function<create_doc, create>(),
    module_function<attach_doc, attach>(),
};

// --- The type. ---------------------------------------------------------------------------------

// Calls the heap; throws if it refuses.
template <typename Call>
auto call_heap(SharedHeap& heap, Call call) {
  Fault fault;
  auto result = call(heap, fault);
  raise_if_refused(fault, heap.location());
  return result;
}

constexpr const char unlink_doc[] = R"(unlink($self)
--

Remove the name or the file: no process can attach any more.

Attached processes keep the heap. O(1).

Raises FileNotFoundError if and only if it is gone already, OSError if the system refuses.)";

void unlink(SharedHeap& self) {
  call_heap(self, [](SharedHeap& heap, Fault& fault) { return heap.unlink(fault); });
}

constexpr const char flush_doc[] = R"(flush($self)
--

Wait until the disk has all bytes written to the file. No effect in shared memory.

While no call follows, a power failure leaves the heap as it is now. After later calls,
attach or glassheap fsck --rebuild makes the file whole (see docs/shared.md).

The heap's lock is held while the disk writes: other processes wait, as long as their
timeout. O(size).

Raises OSError if and only if the system refuses; LockTimeout, HeapClosed.)";

void flush(SharedHeap& self) {
  call_heap(self, [](SharedHeap& heap, Fault& fault) {
    const GilReleased gil_released;
    return heap.flush(fault);
  });
}

constexpr const char reap_doc[] = R"(reap($self, *, unopened=None)
--

Drop the references of dead processes to blocks; return how many blocks that freed.

A pickled copy that no process has opened has a reference of the process that pickled it.
With unopened, a number of seconds, such references that are as old as that are dropped too,
also if that process lives. As long as that many calls of free, and at most O(h * h) for h
references, of 4096.

Raises ValueError if and only if unopened is negative, TypeError if it is no number; what
Heap.free raises for overwritten bytes; HeapDamaged, HeapClosed.)";

std::size_t reap(SharedHeap& self, py::handle unopened) {
  const bool given = unopened && !unopened.is_none();
  const double seconds =
      given ? require_seconds(unopened, "unopened") : std::numeric_limits<double>::infinity();
  return call_heap(self, [&](SharedHeap& heap, Fault& fault) { return heap.reap(seconds, fault); });
}

constexpr const char copy_into_doc[] = R"(_copy_into($self, buffer, /)
--

Copy the whole segment into a writable buffer, between two calls.)";

void copy_into(SharedHeap& self, py::handle buffer) {
  const BorrowedBuffer copy = borrow(buffer);
  call_heap(self,
            [&](SharedHeap& heap, Fault& fault) { return heap.copy_into(copy.bytes, fault); });
}

constexpr const char owners_doc[] = R"(owners($self)
--

Return an OwnedBlock for each live block: the process that allocated it, dead or alive.

O(n). Raises HeapClosed.)";

py::list owners(SharedHeap& self) {
  const RecordMaker record("OwnedBlock");
  py::list list;
  const std::vector<OwnedBlock> owned =
      call_heap(self, [](SharedHeap& heap, Fault& fault) { return heap.owners(fault); });
  for (const OwnedBlock& one : owned)
    list.append(
        record(py::make_tuple(one.block.address, one.block.size, one.pid, one.alive, one.holders)));
  return list;
}

constexpr const char block_at_doc[] = R"(block($self, address)
--

Return a Block for the live block at address.

It does not free the block when it is collected. O(log n). Raises what usable_size raises.)";

py::object block_at(py::handle self, py::handle given) {
  auto& heap = require_value<SharedHeap>(self.ptr());
  const std::uint64_t address = require_address(heap, given);
  Fault fault;
  Handle handle;
  heap.handle_of(address, handle, fault);
  raise_if(fault, given.ptr());
  return owned(make_block(py::reinterpret_borrow<py::object>(self), handle, Ownership::borrowed));
}

constexpr const char receive_doc[] = R"(_receive($self, address, size, epoch, serial, ticket, /)
--

Return the Block of a pickled copy.

It takes over the reference with this ticket, or adds one if that was taken or dropped. If
the ticket is 0, it has none.)";

std::uint64_t require_at_most(py::handle object, const char* name, std::uint64_t limit) {
  const std::uint64_t number = require_number(object, name);
  if (number > limit) throw py::value_error(std::string(name) + " is out of range.");
  return number;
}

py::object receive(py::handle self, py::handle address, py::handle size, py::handle epoch,
                   py::handle serial, py::handle given) {
  auto& heap = require_value<SharedHeap>(self.ptr());
  const Handle handle{require_address(address), require_number(size, "size"),
                      require_number(epoch, "epoch"),
                      static_cast<std::uint16_t>(require_at_most(serial, "serial", 0xFFFF))};
  const std::uint64_t ticket = require_number(given, "ticket");
  Fault fault;
  if (ticket != 0) heap.receive(handle, ticket, fault);
  raise_if(fault);
  const Ownership ownership = ticket == 0 ? Ownership::borrowed : Ownership::shared_ref;
  return owned(make_block(py::reinterpret_borrow<py::object>(self), handle, ownership));
}

// The class is not called: a call would not say where the heap is.
int refuse_call(PyObject* /*self*/, PyObject* /*positional*/, PyObject* /*named*/) {
  PyErr_SetString(PyExc_TypeError,
                  "a SharedHeap is made by SharedHeap.create(name, size), and attached to by "
                  "SharedHeap.attach(name).");
  return -1;
}

constexpr const char shared_repr_doc[] = R"(__repr__($self)
--

Return size, place, policy and state in angle brackets. Takes as long as stats().)";

py::str represent_shared_heap(SharedHeap& heap) {
  const Options& options = heap.options();
  const py::str where = place_of(heap.location());
  Fault closed;
  const Stats s = heap.stats(closed);
  if (closed)
    return py::str("<SharedHeap of {} bytes in {}, {}, closed>")
        .format(heap.size(), where, options.policy);
  return py::str("<SharedHeap of {} bytes in {}, {}: {} live, {} free, {} bytes available>")
      .format(heap.size(), where, options.policy, s.live_blocks, s.free_blocks, s.available);
}

std::array shared_methods = {
    method<unlink_doc, unlink>(),     method<flush_doc, flush>(),
    method<block_at_doc, block_at>(), method<reap_doc, reap>(),
    method<owners_doc, owners>(),     method<copy_into_doc, copy_into>(),
    method<receive_doc, receive>(),   method<shared_repr_doc, represent_shared_heap>(),
};

// --- Properties. -------------------------------------------------------------------------------

// None for an empty string.
py::object name_or_none(const std::string& name) {
  return name.empty() ? py::none() : file_name(name);
}

py::object name(const SharedHeap& heap) { return name_or_none(heap.location().name); }
py::object path(const SharedHeap& heap) { return name_or_none(heap.location().path); }

std::uint16_t number(const SharedHeap& heap) { return heap.number(); }

py::tuple identity(const SharedHeap& heap) {
  const Key key = heap.identity();
  return py::make_tuple(key[0], key[1]);
}

std::array shared_properties = {
    property<name>("name", "The segment's name in shared memory; None for a file or a buffer."),
    property<path>("path", "The file's path, or None."),
    property<number>("_number", "The number of this attachment in the segment; 0 if it has none."),
    property<identity>("_identity", "A random number of the segment, as two of 64 bits."),
};

constexpr const char* shared_doc = R"(SharedHeap(*arguments, **options)
--

A heap that many processes use at once: in shared memory, a file, or a mapped buffer.

Made by SharedHeap.create and attached to by SharedHeap.attach. Everything is in the segment:
the blocks, which of them are free, the policy's index, the lock. Addresses are offsets, the
same in every process. If a process is killed inside a call, the next process recovers the heap:
at most the block in flight is lost, and stats().recovered counts it. Every wait for another
process ends after timeout seconds with LockTimeout. Other threads run during a wait, and a
signal handler that raises, as that of Ctrl-C does, ends it.

A view pins its block in this process only: free a block when no other process uses it, or
share() it. What a child inherits by fork stays its parent's: only an explicit free() frees it
there.)";

}  // namespace

void add_shared_heap(py::module_& module) {
  PyTypeObject* const type = make_type<SharedHeap>(
      "glassheap.SharedHeap", shared_doc, Py_TPFLAGS_BASETYPE,
      {{Py_tp_init, reinterpret_cast<void*>(refuse_call)}}, type_object<Heap>());
  add_methods(type, shared_methods);
  add_properties(type, shared_properties);
  add_shared_images(module, type);
  add_functions(module, shared_functions);
  module.attr("SharedHeap") = py::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace glassheap::bindings
