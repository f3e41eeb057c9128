// trace_reader.cpp: _TraceReader: the frames of a recording as the columns of a trace.
//
// Python reads the file, and passes each frame as it lies there. It takes the operations in batches
// of any number of frames.

#include <cstring>

#include "functions.hpp"
#include "trace/column_builder.hpp"
#include "trace/frame.hpp"
#include "trace_columns.hpp"

namespace glassheap::bindings {
namespace {

std::span<const std::byte> bytes_of(const py::buffer_info& buffer) {
  return {static_cast<const std::byte*>(buffer.ptr),
          static_cast<std::size_t>(buffer.size * buffer.itemsize)};
}

template <typename Header>
Header require_header(py::handle given) {
  const py::buffer_info buffer = require_buffer(given, "header");
  const std::span bytes = bytes_of(buffer);
  if (bytes.size() != sizeof(Header)) throw py::value_error("the header has another length.");
  Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header;
}

trace::FileHeader require_file_header(py::handle given) {
  const auto header = require_header<trace::FileHeader>(given);
  if (header.shift > 63) throw py::value_error("addresses have at most 64 bits.");
  return header;
}

class TraceReader {
 public:
  explicit TraceReader(py::handle header) : builder(require_file_header(header)) {}

  trace::ColumnBuilder builder;
  std::array<std::byte, trace::largest_frame> plain{};
};

constexpr const char reader_doc[] = R"(_TraceReader(header)
--

Reads the frames of a recording, whose file has this header.)";

std::unique_ptr<TraceReader> make_reader(py::handle header) {
  return std::make_unique<TraceReader>(header);
}

constexpr const char add_frame_doc[] = R"(add_frame($self, header, packed)
--

Read a frame; return False if it is damaged. The calls before the damage are kept.)";

bool add_frame(TraceReader& reader, py::handle given_header, py::handle given) {
  const auto header = require_header<trace::FrameHeader>(given_header);
  const py::buffer_info packed = require_buffer(given, "packed");
  if (!trace::open_frame(header, bytes_of(packed), reader.plain)) return false;
  return reader.builder.add_block(std::span(reader.plain).first(header.plain));
}

constexpr const char add_open_doc[] = R"(add_open($self, block)
--

Read the bytes of an open block; return False if they are damaged.)";

bool add_open(TraceReader& reader, py::handle given) {
  const py::buffer_info block = require_buffer(given, "block");
  return reader.builder.add_block(bytes_of(block));
}

template <typename Value>
py::bytes as_bytes(const std::vector<Value>& column) {
  return {reinterpret_cast<const char*>(column.data()), column.size() * sizeof(Value)};
}

py::tuple as_tuple(const trace::RefusedRequest& one) {
  const bool is_known = one.block != trace::AddressIds::none;
  const py::object block = is_known ? py::object(py::int_(one.block)) : py::object(py::none());
  return py::make_tuple(one.position, one.line, static_cast<int>(one.kind), one.size, one.align,
                        one.tag, one.thread, one.time, block, one.is_part);
}

constexpr const char take_doc[] = R"(take($self)
--

Return the operations read since the last call, and the requests that failed.

The columns are bytes: kinds, ids, sizes, lines, aligns, tags, threads, times, as in
glassheap.traces.Columns; then a list with a tuple for each failed request: position, line,
kind, size, align, tag, thread, time, block or None, True for a part of a batch.)";

py::tuple take(TraceReader& reader) {
  const trace::Columns& columns = reader.builder.columns;
  py::list refused;
  for (const trace::RefusedRequest& one : columns.refused) refused.append(as_tuple(one));
  py::tuple taken =
      py::make_tuple(as_bytes(columns.kinds), as_bytes(columns.ids), as_bytes(columns.sizes),
                     as_bytes(columns.lines), as_bytes(columns.aligns), as_bytes(columns.tags),
                     as_bytes(columns.threads), as_bytes(columns.times), refused);
  reader.builder.begin_batch();
  return taken;
}

std::array reader_methods = {
    method<add_frame_doc, add_frame>(),
    method<add_open_doc, add_open>(),
    method<take_doc, take>(),
};

// Texts of any program may be no UTF-8.
py::list as_strings(const std::vector<std::string>& texts) {
  py::list strings;
  for (const std::string& text : texts)
    strings.append(owned(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()),
                                              "backslashreplace")));
  return strings;
}

std::size_t waiting(const TraceReader& reader) { return reader.builder.columns.kinds.size(); }
std::uint64_t events(const TraceReader& reader) { return reader.builder.events(); }
std::size_t id_count(const TraceReader& reader) { return reader.builder.id_count(); }
std::uint64_t peak_live(const TraceReader& reader) { return reader.builder.peak_live(); }
py::list tag_names(const TraceReader& reader) { return as_strings(reader.builder.tag_names); }
py::list facts(const TraceReader& reader) { return as_strings(reader.builder.facts); }
py::list oddities(const TraceReader& reader) {
  py::list counts;
  for (const trace::OddityCount& one : reader.builder.oddities)
    counts.append(py::make_tuple(one.number, one.first));
  return counts;
}

std::array reader_properties = {
    property<events>("events", "Calls read so far, those that failed included."),
    property<waiting>("waiting", "Operations that take() would return."),
    property<id_count>("id_count", "The maximum of the blocks live at a time."),
    property<peak_live>("peak_live", "The maximum of the bytes requested in live blocks."),
    property<tag_names>("tag_names", "The tags by their numbers; the first is that of no tag."),
    property<facts>("facts", "Lines of text about the recording as a whole."),
    property<oddities>("oddities",
                       "Counts and first lines of unknown blocks, reused addresses and resets."),
};

}  // namespace

void add_trace_reader(py::module_& module) {
  PyTypeObject* const type =
      make_constructible<TraceReader, reader_doc, make_reader>("glassheap._core._TraceReader", 0);
  add_methods(type, reader_methods);
  add_properties(type, reader_properties);
  module.attr("_TraceReader") = py::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace glassheap::bindings
