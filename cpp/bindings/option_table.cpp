// option_table.cpp: the options of a heap, a row each: its name, its default, and how it is read.

#include "option_table.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "raise.hpp"

namespace glassheap::bindings {
namespace {

using Names = std::span<const std::string_view>;

// In the order of the enumerators of Fit, Checks and Order.
constexpr std::array<std::string_view, 3> fits = {"first", "best", "worst"};
constexpr std::array<std::string_view, 2> levels = {"robust", "debug"};
constexpr std::array<std::string_view, 5> orders = {"address", "size+", "size-", "front", "back"};

// 'first', 'best', 'worst'
std::string quoted(Names names) {
  std::string list;
  for (const std::string_view name : names)
    list += (list.empty() ? "'" : ", '") + std::string(name) + "'";
  return list;
}

// --- The name that was meant. ------------------------------------------------------------------

// Letters in lower case, and _ for -.
std::string normalised(std::string_view name) {
  std::string text;
  for (const char c : name)
    text += c == '-' ? '_' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

// The least number of characters to insert, delete or replace that makes `a` of `b`.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

constexpr std::size_t longest_guess = 40;  // characters; of a longer name nothing is guessed

// A third of the characters may differ; the beginning of a name up to a _ is as good as the name.
bool is_near(std::string_view given, std::string_view name) {
  if (name.starts_with(std::string(given) + "_")) return true;
  return 3 * edit_distance(given, name) <= std::max(given.size(), name.size());
}

// The nearest of the names; empty if none is near.
std::string_view meant(std::string_view given, Names names) {
  if (given.size() > longest_guess) return {};
  const std::string text = normalised(given);
  std::string_view best;
  for (const std::string_view name : names) {
    if (!is_near(text, name)) continue;
    if (best.empty() || edit_distance(text, name) < edit_distance(text, best)) best = name;
  }
  return best;
}

// The end of a sentence about an unknown name; `form` is that name as the caller would write it.
std::string alternatives(const std::string& form, Names names) {
  const std::string known = quoted(names) + ".";
  return form.empty() ? "; there are: " + known
                      : "; did you mean " + form + "? There are: " + known;
}

// --- Reading a choice. -------------------------------------------------------------------------

// The UTF-8 of a str; null for any other object, and for a str that has none.
const char* utf8_of(const py::object& object, Py_ssize_t& length) {
  if (!py::isinstance<py::str>(object)) return nullptr;
  const char* const text = PyUnicode_AsUTF8AndSize(object.ptr(), &length);
  if (text == nullptr) PyErr_Clear();
  return text;
}

// The index of the given name in `names`. Throws TypeError, with that sentence, for an object that
// is no string; ValueError for a string that is none of the names.
std::size_t index_of(Names names, const std::string& option, const py::object& given,
                     const std::string& type_error) {
  Py_ssize_t length = 0;
  const char* const text = utf8_of(given, length);
  if (text == nullptr) throw py::type_error(type_error);
  const std::string name(text, static_cast<std::size_t>(length));
  const auto at = std::ranges::find(names, name);
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  // Not py::value_error: `name` may hold a NUL.
  const std::string guess(meant(name, names));
  const std::string end = alternatives(guess.empty() ? "" : "'" + guess + "'", names);
  set_error("ValueError", py::str("there is no " + option + " '" + name + "'" + end));
  throw py::error_already_set();
}

// --- The readers: each puts a value into its field of Options. ---------------------------------

void read_policy(Options& options, const char* name, const py::object& value) {
  const std::vector<std::string_view> names = policy_names();
  options.policy =
      names[index_of(names, name, value, "policy must be a string, the name of a policy.")];
}

void read_magic(Options& options, const char* name, const py::object& value) {
  const std::uint64_t magic = require_size(value, name);
  if (magic > std::numeric_limits<std::uint32_t>::max())
    throw py::value_error("magic has 32 bits: it is at most 0xFFFFFFFF.");
  options.magic = static_cast<std::uint32_t>(magic);
}

void read_base(Options& options, const char* name, const py::object& value) {
  options.base = require_size(value, name);
}

// An impossible one becomes 0, which every heap refuses.
void read_granule(Options& options, const char* name, const py::object& value) {
  BoundedInt granule;
  if (!read_bounded_int(value.ptr(), name, granule)) throw py::error_already_set();
  options.granule = granule.beyond ? 0 : granule.value;
}

void read_default_align(Options& options, const char* /*name*/, const py::object& value) {
  std::uint64_t align = 0;
  if (!read_align(value.ptr(), align)) throw py::error_already_set();
  options.align = align;
}

void read_quarantine(Options& options, const char* name, const py::object& value) {
  options.quarantine = require_size(value, name);
}

void read_record(Options& options, const char* /*name*/, const py::object& value) {
  options.record = read_path(value);
}

template <auto field>
void read_flag(Options& options, const char* name, const py::object& value) {
  options.*field = require_flag(value, name);
}

template <typename Enum, auto field, const auto& names>
void read_choice(Options& options, const char* name, const py::object& value) {
  const std::string type_error = std::string(name) + " must be one of " + quoted(names) + ".";
  options.*field = static_cast<Enum>(index_of(names, name, value, type_error));
}

// --- The table. --------------------------------------------------------------------------------

struct Option {
  const char* name;
  const char* by_default;  // the default of Options, as Python writes it; None means not given
  unsigned sets;           // of the calls that take it
  void (*read)(Options& options, const char* name, const py::object& value);
};

// Sets of calls: those of one process, those that make a heap with bytes, and so on.
constexpr auto private_heap = static_cast<unsigned>(OptionSet::heap);
constexpr auto private_offsets = static_cast<unsigned>(OptionSet::offset_heap);
constexpr unsigned takes_bytes = private_heap | static_cast<unsigned>(OptionSet::shared_heap);
constexpr unsigned takes_offsets =
    private_offsets | static_cast<unsigned>(OptionSet::shared_offset_heap);
constexpr unsigned of_one_process = private_heap | private_offsets;
constexpr unsigned every = takes_bytes | takes_offsets;

constexpr std::array table = {
    Option{"granule", "16", takes_offsets, read_granule},
    Option{"policy", "'first_fit'", every, read_policy},
    Option{"align", "None", private_offsets, read_default_align},
    Option{"headers", "True", takes_bytes, read_flag<&Options::headers>},
    Option{"checks", "'robust'", takes_bytes, read_choice<Checks, &Options::checks, levels>},
    Option{"magic", "0xDEADBEEF", takes_bytes, read_magic},
    Option{"zero_on_free", "False", takes_bytes, read_flag<&Options::zero_on_free>},
    Option{"threads", "True", of_one_process, read_flag<&Options::threads>},
    Option{"thread_cache", "False", of_one_process, read_flag<&Options::thread_cache>},
    Option{"base", "None", private_heap, read_base},
    Option{"huge_pages", "False", private_heap, read_flag<&Options::huge_pages>},
    Option{"quarantine", "0", private_heap, read_quarantine},
    Option{"tags", "False", of_one_process, read_flag<&Options::tags>},
    Option{"record", "None", every, read_record},
    Option{"fit", "None", every, read_choice<Fit, &Options::fit, fits>},
    Option{"order", "None", every, read_choice<Order, &Options::order, orders>},
    Option{"coalesce", "None", every, read_flag<&Options::coalesce>},
};

bool is_in(const Option& option, OptionSet set) {
  return (option.sets & static_cast<unsigned>(set)) != 0;
}

[[noreturn]] void refuse(py::handle name, OptionSet set) {
  std::vector<std::string_view> known;
  for (const Option& option : table)
    if (is_in(option, set)) known.emplace_back(option.name);
  Py_ssize_t length = 0;
  const char* const text = utf8_of(py::reinterpret_borrow<py::object>(name), length);
  const std::string_view given(text == nullptr ? "" : text, static_cast<std::size_t>(length));
  const std::string guess(meant(given, known));
  PyErr_Format(PyExc_TypeError, "there is no option %R here%s", name.ptr(),
               alternatives(guess.empty() ? "" : guess + "=", known).c_str());
  throw py::error_already_set();
}

const Option& find_option(py::handle name, OptionSet set) {
  for (const Option& option : table) {
    if (is_in(option, set) && PyUnicode_CompareWithASCIIString(name.ptr(), option.name) == 0)
      return option;
  }
  refuse(name, set);
}

bool is_not_given(const Option& option, py::handle value) {
  return value.is_none() && std::string_view(option.by_default) == "None";
}

}  // namespace

Options read_options(const py::dict& given, OptionSet set) {
  Options options;
  for (const auto& [name, value] : given) {
    const Option& option = find_option(name, set);
    if (is_not_given(option, value)) continue;
    option.read(options, option.name, py::reinterpret_borrow<py::object>(value));
  }
  return options;
}

std::string options_signature(OptionSet set) {
  std::string text;
  for (const Option& option : table)
    if (is_in(option, set))
      text += (text.empty() ? "" : ", ") + std::string(option.name) + "=" + option.by_default;
  return text;
}

std::string_view name_of(Checks checks) { return levels[static_cast<std::size_t>(checks)]; }

}  // namespace glassheap::bindings
