// shared_images.cpp: copies of a shared heap's image, for glassheap.images.

#include <pybind11/stl.h>

#include "buffers.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

// Attaches to a copy that only this process has. With `mend`, a broken block map is rebuilt from
// the headers.
std::unique_ptr<SharedHeap> attach_copy(const py::object& buffer, bool mend) {
  const SharedHeap::Opening how{
      .location = location_in(buffer), .timeout = 0, .copy = true, .salvage = mend};
  Fault fault;
  std::unique_ptr<SharedHeap> heap;
  {
    const py::gil_scoped_release gil_released;
    heap = SharedHeap::attach(how, "", fault);
  }
  raise_if(fault);
  return heap;
}

// (recovered, (start, end, keep) of the block in flight, pids of living users, payloads of live
// blocks)
py::tuple read_image(const py::object& buffer) {
  Image image;
  Fault fault;
  SharedHeap::read(location_in(buffer), image, fault);
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

}  // namespace

void add_shared_images(py::module_& module, SharedHeapClass& type) {
  type.def_static("_attach_copy", &attach_copy, py::arg("buffer"), py::arg("mend") = false,
                  "Attach to a copy of an image that no other process has.");
  module.def("_image_generation", &image_generation, py::arg("front"),
             "Odd during a call on the heap whose image begins so; None if it is no image.");
  module.def("_read_image", &read_image, py::arg("buffer"),
             "The contents of an image's copy, before any recovery.");
}

}  // namespace glassheap::bindings
