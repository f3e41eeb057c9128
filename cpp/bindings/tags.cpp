// tags.cpp: the tag of a call that allocates, and the ContextVar behind Heap.tagged.

#include "tags.hpp"

#include "functions.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

// --- The text of a tag. ------------------------------------------------------------------------

bool refuse_tag_type(PyObject* given) noexcept {
  PyErr_Format(PyExc_TypeError, "tag must be a string, not %.100s.", Py_TYPE(given)->tp_name);
  return false;
}

bool refuse_tag_length(Py_ssize_t length) noexcept {
  PyErr_Format(PyExc_ValueError, "a tag has from 1 to %zu bytes of UTF-8, and this one has %zd.",
               longest_tag, length);
  return false;
}

// Returns false, with an exception set, if the object is no text of a tag.
bool read_tag_text(PyObject* given, std::string_view& text) noexcept {
  if (PyUnicode_Check(given) == 0) return refuse_tag_type(given);
  Py_ssize_t length = 0;
  const char* const bytes = PyUnicode_AsUTF8AndSize(given, &length);
  if (bytes == nullptr) {
    PyErr_SetString(PyExc_ValueError, "a tag must be text, and this string has half a character.");
    return false;
  }
  if (length == 0 || length > Py_ssize_t{longest_tag}) return refuse_tag_length(length);
  text = {bytes, static_cast<std::size_t>(length)};
  return true;
}

// --- The tag of a context. ---------------------------------------------------------------------

class ContextTag {
 public:
  ContextTag(py::object heap, std::string_view text, py::object outer)
      : heap_(std::move(heap)),
        tag_(require_value<Heap>(heap_.ptr()), text),
        outer_(std::move(outer)) {
    value_in<Heap>(heap_.ptr())->enter_tag_scope();
  }
  ~ContextTag() { value_in<Heap>(heap_.ptr())->leave_tag_scope(); }
  ContextTag(const ContextTag&) = delete;
  ContextTag& operator=(const ContextTag&) = delete;

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(heap_.ptr());
    Py_VISIT(outer_.ptr());
    return 0;
  }

  [[nodiscard]] bool is_of(const Heap& heap) const noexcept {
    return value_in<Heap>(heap_.ptr()) == &heap;
  }
  [[nodiscard]] PyObject* outer() const noexcept { return outer_.ptr(); }
  [[nodiscard]] TagId id() const noexcept { return tag_.id(); }

 private:
  py::object heap_;
  Tag tag_;  // of the heap, which is released after it
  py::object outer_;
};

constexpr const char context_tag_doc[] = R"(_Tag(heap, tag, outer)
--

A tag of a heap that is held for a context, and the one around it, or None.)";

std::unique_ptr<ContextTag> make_context_tag(py::handle heap, py::handle tag, py::handle outer) {
  require_open(require_heap(heap));
  std::string_view text;
  if (!read_tag_text(tag.ptr(), text)) throw py::error_already_set();
  auto made = std::make_unique<ContextTag>(py::reinterpret_borrow<py::object>(heap), text,
                                           py::reinterpret_borrow<py::object>(outer));
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();  // a wait was interrupted
  return made;
}

PyObject* context_variable = nullptr;  // of the module, which lives as long as the process

}  // namespace

TagId context_tag(const Heap& heap) noexcept {
  PyObject* set = nullptr;
  if (PyContextVar_Get(context_variable, nullptr, &set) != 0) PyErr_Clear();
  Py_XDECREF(set);  // the context has it too
  for (PyObject* at = set; at != nullptr && is_instance<ContextTag>(at);) {
    const ContextTag* const tag = value_in<ContextTag>(at);
    if (tag == nullptr) return 0;
    if (tag->is_of(heap)) return tag->id();
    at = tag->outer();
  }
  return 0;
}

// --- The tag that is passed. -------------------------------------------------------------------

bool CallTag::read(Heap& heap, PyObject* given) noexcept try {
  if (given == nullptr || given == Py_None) return true;
  std::string_view text;
  if (!read_tag_text(given, text)) return false;
  id_ = heap.hold_tag(text);
  heap_ = &heap;
  return PyErr_Occurred() == nullptr;  // a wait for another process may have been interrupted
} catch (const std::exception&) {
  PyErr_NoMemory();
  return false;
}

Address payload_of_result(PyObject* result) noexcept {
  if (is_block(result)) return address_of_block(result);
  return PyLong_AsUnsignedLongLong(result);
}

void add_tags(py::module_& module) {
  PyTypeObject* const type =
      make_constructible<ContextTag, context_tag_doc, make_context_tag>("glassheap._core._Tag", 0);
  module.attr("_Tag") = py::handle(reinterpret_cast<PyObject*>(type));
  context_variable = owned(PyContextVar_New("tag", nullptr)).release().ptr();
  module.attr("_context_tag") = py::handle(context_variable);
}

}  // namespace glassheap::bindings
