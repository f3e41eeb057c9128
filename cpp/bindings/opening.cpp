#include "opening.hpp"

#include <algorithm>
#include <array>

#include "arguments.hpp"

namespace glassheap::bindings {
namespace {

std::uint64_t whole(const py::object& object, const char* name) {
  BoundedInt number;
  if (!read_size(object.ptr(), name, number)) throw py::error_already_set();
  return number.value;
}

std::uint32_t read_magic(const py::object& magic) {
  const std::uint64_t value = whole(magic, "magic");
  if (value > std::numeric_limits<std::uint32_t>::max())
    throw py::value_error("magic has 32 bits: it is at most 0xFFFFFFFF.");
  return static_cast<std::uint32_t>(value);
}

// A str, or a Policy, which is one; not bytes, which pybind11 would take for a string too.
std::string read_policy(const py::object& policy) {
  Py_ssize_t length = 0;
  const char* name = nullptr;
  if (py::isinstance<py::str>(policy)) name = PyUnicode_AsUTF8AndSize(policy.ptr(), &length);
  if (name != nullptr) return {name, static_cast<std::size_t>(length)};
  PyErr_Clear();
  throw py::type_error("policy must be a string, the name of a policy.");
}

// Raises ValueError. The sentence may quote what a caller wrote, any character of it, NUL included.
[[noreturn]] void refuse(const std::string& sentence) {
  set_error("ValueError", py::str(sentence));
  throw py::error_already_set();
}

// The names in a list, for a sentence.
template <typename Names>
std::string listed(const Names& names) {
  std::string list;
  for (const std::string_view name : names)
    list += (list.empty() ? "'" : ", '") + std::string(name) + "'";
  return list;
}

// The enumerator with this name, names being in the order of the enumerators; none for None.
template <typename Enum, std::size_t count>
std::optional<Enum> named(const py::object& object, const char* option,
                          const std::array<std::string_view, count>& names) {
  if (object.is_none()) return std::nullopt;
  if (!py::isinstance<py::str>(object))
    throw py::type_error(std::string(option) + " must be one of " + listed(names) + ".");
  const auto name = object.cast<std::string>();
  const auto at = std::ranges::find(names, name);
  if (at == names.end())
    refuse(std::string("there is no ") + option + " '" + name + "'; there are: " + listed(names) +
           ".");
  return static_cast<Enum>(at - names.begin());
}

constexpr std::array<std::string_view, 3> fits = {"first", "best", "worst"};
constexpr std::array<std::string_view, 2> levels = {"robust", "debug"};
constexpr std::array<std::string_view, 5> orders = {"address", "size+", "size-", "front", "back"};

// noconvert: nothing but True and False is either; whoever passes a number meant another option.
bool read_bool(const py::object& object, const std::string& name) {
  if (!py::isinstance<py::bool_>(object)) throw py::type_error(name + " must be True or False.");
  return object.cast<bool>();
}

struct Release {
  void operator()(Py_buffer* buffer) const {
    const py::gil_scoped_acquire gil;
    PyBuffer_Release(buffer);
    delete buffer;
  }
};

[[noreturn]] void refuse_buffer(const py::object& buffer) {
  const auto type = py::str(py::type::of(buffer).attr("__name__"));
  if (PyObject_CheckBuffer(buffer.ptr()) == 0)
    throw py::type_error(std::string("a heap needs an object with a buffer, and ") +
                         std::string(type) + " has none.");
  PyErr_Clear();
  throw py::buffer_error(std::string("a heap needs bytes that can be written, in one piece, and ") +
                         "those of this " + std::string(type) + " are not.");
}

}  // namespace

std::uint64_t read_bytes(const py::object& object, const char* name) { return whole(object, name); }

std::string_view level_of(const Options& options) {
  return levels[static_cast<std::size_t>(options.checks)];
}

void read_option(Options& options, const std::string& name, const py::object& value) {
  if (name == "policy")
    options.policy = read_policy(value);
  else if (name == "headers")
    options.headers = read_bool(value, name);
  else if (name == "checks")
    options.checks = *named<Checks>(value.is_none() ? py::int_(0) : value, "checks", levels);
  else if (name == "magic")
    options.magic = read_magic(value);
  else if (name == "zero_on_free")
    options.zero_on_free = read_bool(value, name);
  else if (name == "threads")
    options.threads = read_bool(value, name);
  else if (name == "base") {
    if (!value.is_none()) options.base = whole(value, "base");
  } else if (name == "fit")
    options.fit = named<Fit>(value, "fit", fits);
  else if (name == "order")
    options.order = named<Order>(value, "order", orders);
  else if (name == "coalesce") {
    if (!value.is_none()) options.coalesce = read_bool(value, name);
  }
}

Options read_options(const py::kwargs& given, std::initializer_list<std::string_view> known) {
  Options options;
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    if (std::ranges::find(known, name) == known.end())
      throw py::type_error("there is no option '" + name + "' here; there are: " + listed(known) +
                           ".");
    read_option(options, name, py::reinterpret_borrow<py::object>(value));
  }
  return options;
}

void raise_unopened(const Fault& fault, const Options& options, const py::object& size) {
  if (fault.kind == FaultKind::unknown_policy)
    refuse("there is no policy '" + options.policy + "'; there are: " + listed(policy_names()) +
           ".");
  raise_if(fault, fault.kind == FaultKind::no_pages ? size.ptr() : nullptr);
}

Borrowed borrow(const py::object& buffer) {
  auto held = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(buffer.ptr(), held.get(), PyBUF_WRITABLE | PyBUF_ANY_CONTIGUOUS) != 0) {
    if (PyErr_ExceptionMatches(PyExc_ValueError) != 0) throw py::error_already_set();  // released
    PyErr_Clear();
    refuse_buffer(buffer);
  }
  const std::span bytes(static_cast<std::byte*>(held->buf), static_cast<std::size_t>(held->len));
  return {bytes, std::shared_ptr<void>(held.release(), [](void* memory) {
            Release()(static_cast<Py_buffer*>(memory));
          })};
}

}  // namespace glassheap::bindings
