// shared_images.cpp: copies of a shared heap's image, for glassheap.images.

#include <pybind11/stl.h>

#include "arguments.hpp"
#include "buffers.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "system_errors.hpp"

namespace glassheap::bindings {
namespace {

constexpr const char attach_copy_doc[] = R"(_attach_copy(buffer, mend=False, original=b'')
--

Attach to a copy of an image that no other process has.

original is the path of the file that it was copied from, which tells who lives. With
mend, a broken block map is rebuilt from the headers.)";

py::object attach_copy(py::handle buffer, py::handle mend, py::handle original) {
  const SharedHeap::Opening how{.location = location_in(buffer),
                                .timeout = 0,
                                .copy = true,
                                .original = original ? require_bytes(original, "original") : "",
                                .salvage = mend && require_flag(mend, "mend")};
  Fault fault;
  std::unique_ptr<SharedHeap> heap;
  {
    const GilReleased gil_released;
    heap = SharedHeap::attach(how, "", fault);
  }
  raise_if(fault);
  return make_shared_heap(std::move(heap));
}

constexpr const char read_image_doc[] = R"(_read_image(buffer, original=b'')
--

Return the contents of an image's copy, before any recovery.

They are: number of deaths inside a call; start, end and keep of the block in flight; the pids
of those that are attached to the original, a file's path; the payloads of live blocks.)";

py::tuple read_image(py::handle buffer, py::handle original) {
  Image image;
  Fault fault;
  const SharedHeap::Opening how{.location = location_in(buffer),
                                .copy = true,
                                .original = original ? require_bytes(original, "original") : ""};
  SharedHeap::read(how, image, fault);
  raise_if(fault);
  return py::make_tuple(
      image.recovered,
      py::make_tuple(image.in_flight_start, image.in_flight_end, image.in_flight_keep), image.users,
      image.live);
}

constexpr const char image_generation_doc[] = R"(_image_generation(front)
--

Return a number that is odd during a call on the heap whose image begins so.

None if it is no image.)";

std::optional<std::uint64_t> image_generation(py::handle front) {
  const std::string bytes = require_bytes(front, "front");
  return SharedHeap::generation(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

SegmentLocation named(py::handle name) {
  SegmentLocation location;
  location.name = require_bytes(name, "name");
  return location;
}

constexpr const char summarize_doc[] = R"(_summarize_segment(name)
--

Return bytes, policy, number of deaths inside a call, and pids of living users of a segment.

name is bytes. Raises HeapError or OSError if it is no segment of a shared heap.)";

py::tuple summarize(py::handle name) {
  SegmentSummary summary;
  Fault fault;
  SharedHeap::summarize(named(name), summary, fault);
  raise_if(fault);
  return py::make_tuple(summary.bytes, summary.policy, summary.recovered, summary.users);
}

constexpr const char remove_unused_doc[] = R"(_remove_unused_segment(name)
--

Remove a segment that no living process has attached to; return False if one has.

name is bytes. Raises HeapError or OSError if it is no segment of a shared heap.)";

bool remove_unused(py::handle name) {
  Fault fault;
  const bool removed = SharedHeap::remove_unused(named(name), fault);
  raise_if(fault);
  return removed;
}

constexpr const char remove_deserted_locks_doc[] = R"(_remove_deserted_locks()
--

Remove the lock files of heaps in buffers that no living process has attached to.)";

void remove_deserted_locks() { SharedHeap::remove_deserted_locks(); }

constexpr const char hold_unused_doc[] = R"(_hold_unused(path)
--

Keep every process from attaching to a heap's file, until the result is deleted.

path is bytes. Return None if a living process has attached, or is attaching. Raises
HeapError or OSError if it is no shared heap that can be written.)";

py::object hold_unused(py::handle path) {
  using Hold = std::shared_ptr<void>;
  SegmentLocation location;
  location.path = require_bytes(path, "path");
  Fault fault;
  auto hold = std::make_unique<Hold>();
  {
    const GilReleased gil_released;
    *hold = SharedHeap::hold_unused(location, fault);
  }
  raise_if_refused(fault, location);
  if (*hold == nullptr) return py::none();
  return py::capsule(hold.release(), [](void* held) { delete static_cast<Hold*>(held); });
}

constexpr const char backup_doc[] = R"(_backup($self, path, /)
--

Write the heap to a new file; path is bytes.)";

void backup(SharedHeap& self, py::handle given) {
  SegmentLocation location;
  location.path = require_bytes(given, "path");
  Fault fault;
  {
    const GilReleased gil_released;
    self.backup(location.path, fault);
  }
  raise_if_refused(fault, location);
}

std::array image_methods = {
    static_method<attach_copy_doc, attach_copy>(),
    method<backup_doc, backup>(),
};
std::array image_functions = {
    module_function<hold_unused_doc, hold_unused>(),
    module_function<image_generation_doc, image_generation>(),
    module_function<read_image_doc, read_image>(),
    module_function<remove_deserted_locks_doc, remove_deserted_locks>(),
    module_function<remove_unused_doc, remove_unused>(),
    module_function<summarize_doc, summarize>(),
};

}  // namespace

void add_shared_images(py::module_& module, PyTypeObject* type) {
  add_methods(type, image_methods);
  add_functions(module, image_functions);
}

}  // namespace glassheap::bindings
