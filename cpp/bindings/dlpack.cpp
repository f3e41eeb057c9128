// dlpack.cpp: a Block's bytes as a tensor of DLPack, of one axis and of unsigned bytes.
//
// The tensor pins the block, as a memoryview does, until the consumer deletes it.

#include "dlpack.hpp"

#include <cstring>

#include "arguments.hpp"
#include "buffers.hpp"
#include "functions.hpp"

namespace glassheap::bindings {
namespace {

// A tensor, with what it points to: all of it goes in its deleter.
template <typename Managed>
struct Lent {
  explicit Lent(BorrowedBuffer lent) : bytes(std::move(lent)) {
    managed.tensor.data = bytes.bytes.empty() ? nullptr : bytes.bytes.data();
    managed.tensor.shape = &length;
    managed.tensor.strides = &stride;
    managed.context = this;
    managed.deleter = [](Managed* self) { delete static_cast<Lent*>(self->context); };
  }

  BorrowedBuffer bytes;
  std::int64_t length = static_cast<std::int64_t>(bytes.bytes.size());
  std::int64_t stride = 1;
  Managed managed;
};

// The destructor of the capsule. A consumer that has taken the tensor has renamed it.
template <typename Managed>
void delete_unused(PyObject* capsule) {
  if (PyCapsule_IsValid(capsule, Managed::name) == 0) return;
  auto* const managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Managed::name));
  managed->deleter(managed);
}

template <typename Managed>
py::object in_capsule(std::unique_ptr<Lent<Managed>> lent) {
  py::object capsule = owned(PyCapsule_New(&lent->managed, Managed::name, delete_unused<Managed>));
  lent.release();
  return capsule;
}

py::object versioned(const BorrowedBuffer& bytes, bool copied) {
  auto lent = std::make_unique<Lent<dlpack::Versioned>>(bytes);
  if (copied) lent->managed.flags = dlpack::Versioned::is_copied;
  return in_capsule(std::move(lent));
}

py::object unversioned(const BorrowedBuffer& bytes) {
  return in_capsule(std::make_unique<Lent<dlpack::Unversioned>>(bytes));
}

BorrowedBuffer copy_of(const BorrowedBuffer& bytes) {
  const auto copy =
      std::make_shared<std::vector<std::byte>>(bytes.bytes.begin(), bytes.bytes.end());
  return {*copy, copy};
}

// --- The arguments. ------------------------------------------------------------------------------

bool is_given(py::handle argument) { return argument && !argument.is_none(); }

// True for a consumer that knows version 1 of the standard.
bool knows_versions(py::handle given) {
  if (!is_given(given)) return false;
  if (!py::isinstance<py::tuple>(given) || py::len(given) != 2)
    throw py::type_error("max_version must be a tuple of two numbers, such as (1, 0).");
  return require_number(given[py::int_(0)], "max_version[0]") >= 1;
}

py::tuple cpu() { return py::make_tuple(dlpack::Device().type, dlpack::Device().id); }

void require_main_memory(py::handle stream, py::handle device) {
  if (is_given(device) && !device.equal(cpu()))
    throw py::buffer_error(
        "a Block lies in the memory of the CPU, the device (1, 0), and cannot be "
        "lent to the device " +
        std::string(py::repr(device)) + ": copy it there.");
  if (is_given(stream))
    throw py::buffer_error("the memory of the CPU has no streams: stream must be None.");
}

// --- The methods. --------------------------------------------------------------------------------

constexpr const char dlpack_doc[] =
    R"(__dlpack__($self, *, stream=None, max_version=None, dl_device=None, copy=None)
--

Return a capsule of DLPack, for numpy.from_dlpack, torch.from_dlpack and others.

Its tensor has one axis, and the bytes of the block as unsigned integers of 8 bits. It pins
the block until the consumer deletes it; with copy=True it has a copy of the bytes. The
capsule is one of version 1 of the standard if max_version, the latest version that the
consumer knows, is (1, 0) or later. O(log n), and O(size) for a copy.

Raises BufferError if and only if dl_device, the device asked for, is not the CPU, (1, 0),
or stream is not None; TypeError for arguments of other types, and what Heap.view raises.)";

py::object export_tensor(py::handle self, py::handle stream, py::handle max_version,
                         py::handle device, py::handle copy) {
  const bool has_version = knows_versions(max_version);
  const bool copied = is_given(copy) && require_flag(copy, "copy");
  require_main_memory(stream, device);
  BorrowedBuffer bytes = hold(self, PyBUF_WRITABLE);
  if (copied) bytes = copy_of(bytes);
  return has_version ? versioned(bytes, copied) : unversioned(bytes);
}

constexpr const char device_doc[] = R"(__dlpack_device__($self)
--

Return the device of the bytes, as DLPack counts devices: (1, 0), the CPU. O(1).)";

py::tuple device_of(py::handle /*self*/) { return cpu(); }

std::array dlpack_methods = {
    method<dlpack_doc, export_tensor>(),
    method<device_doc, device_of>(),
};

}  // namespace

void add_dlpack(PyTypeObject* block) { add_methods(block, dlpack_methods); }

}  // namespace glassheap::bindings
