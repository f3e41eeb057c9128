// signature.hpp: the parameters of a function, and the arguments of a call.
//
// The docstring of a function begins with its signature, in the form that CPython takes out of
// __doc__ and that inspect.signature reads:
//
//     malloc($self, size, *, align=16)
//     --
//
//     Allocate ...
//
// The compiler reads it here, so it is the only list of the parameters. "**options" stands for the
// options of a Heap, "**offset_options" for those of an OffsetHeap; documented() writes them out.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "bindings.hpp"

namespace glassheap::bindings {

class Signature {
 public:
  explicit constexpr Signature(std::string_view doc) : text_(doc.substr(0, doc.find('\n'))) {
    name.fill('\0');
    const std::size_t bracket = text_.find('(');
    text_.substr(0, bracket).copy(name.data(), name.size() - 1);
    std::string_view rest = text_.substr(bracket + 1, text_.size() - bracket - 2);
    while (!rest.empty()) {
      const std::size_t end = rest.find(", ");
      add(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    }
  }

  std::array<char, 32> name{};  // of the function, and a NUL
  std::array<std::string_view, 7> parameters{};
  std::size_t count = 0;          // of the parameters
  std::size_t positional = 0;     // the first of them, which may be passed by position
  std::size_t by_place_only = 0;  // the first of them, which may not be passed by name
  std::size_t required = 0;       // the first of them, which must be passed
  bool options = false;           // true if it takes the options of a heap besides

  // "malloc(size, *, align=16)", as a caller writes it.
  [[nodiscard]] std::string call_form(std::string_view called) const;
  // With the options, if it takes them.
  [[nodiscard]] std::string written_out() const;

 private:
  constexpr void add(std::string_view parameter) {
    if (parameter == "/") by_place_only = count;
    if (parameter == "*") by_name_only_ = true;
    if (parameter.starts_with("**")) options = true;
    if (parameter[0] == '*' || parameter[0] == '/' || parameter == "$self") return;
    const std::size_t end = parameter.find('=');
    parameters.at(count++) = parameter.substr(0, end);
    if (end == std::string_view::npos) required = count;
    if (!by_name_only_) positional = count;
  }

  std::string_view text_;
  bool by_name_only_ = false;
};

template <const auto& doc>
inline constexpr Signature signature_of{doc};

// The docstring, its options written out.
template <const auto& doc>
const char* documented() {
  if constexpr (signature_of<doc>.options) {
    constexpr std::string_view text(doc);
    static const std::string written =
        signature_of<doc>.written_out() + std::string(text.substr(text.find('\n')));
    return written.c_str();
  } else {
    return doc;
  }
}

// The arguments of a call with METH_FASTCALL | METH_KEYWORDS, as CPython passes them.
struct Passed {
  PyObject* const* values;
  Py_ssize_t positional;
  PyObject* names;  // of the values behind the positional ones; null if there are none
};

// The same of a call with a tuple and a dict, or null for none.
class Unpacked {
 public:
  Unpacked(PyObject* positional, PyObject* named);
  [[nodiscard]] Passed passed() const noexcept {
    return {values_.data(), positional_, names_.ptr()};
  }

 private:
  Py_ssize_t positional_;
  std::vector<PyObject*> values_;
  py::tuple names_;
};

// An argument that was not passed is null.
template <const auto& doc>
using Arguments = std::array<PyObject*, signature_of<doc>.count>;

// Sorts the arguments by the parameters. `called` is the name of the function, for a sentence;
// `options`, a dict, takes the arguments of other names. Returns false with a TypeError set.
bool sort_arguments(const Signature& signature, const char* called, const Passed& passed,
                    PyObject** arguments, PyObject* options = nullptr) noexcept;

}  // namespace glassheap::bindings
