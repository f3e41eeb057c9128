// trace_writer.cpp: _TraceWriter: the columns of a trace as a recording, without an open block.

#include <cstring>

#include "functions.hpp"
#include "trace/coding.hpp"
#include "trace/frame.hpp"
#include "trace_columns.hpp"

namespace glassheap::bindings {
namespace {

// A column that may be empty, which stands for zeros.
template <typename Item>
class OptionalColumn {
 public:
  OptionalColumn(py::handle given, const char* name, std::size_t length)
      : buffer_(require_buffer(given, name)) {
    const auto size = static_cast<std::size_t>(buffer_.size);
    if (size != 0 && (size != length || buffer_.itemsize != Py_ssize_t{sizeof(Item)}))
      throw py::value_error(std::string(name) + " has another length, or other items.");
  }
  [[nodiscard]] Item operator[](std::size_t i) const {
    return buffer_.size == 0 ? Item{0} : static_cast<const volatile Item*>(buffer_.ptr)[i];
  }

 private:
  py::buffer_info buffer_;
};

class TraceWriter {
 public:
  // What was written since the last call: the header first.
  std::string take() { return std::exchange(done_, {}); }

  template <typename Item>
  void put(const Item& item, std::size_t room) {
    if (static_cast<std::size_t>(open_.data() + open_.size() - at_) < room) flush();
    at_ = writer_.put(at_, item);
  }
  void flush() {
    const std::span open(open_.data(), at_);
    if (open.empty()) return;
    append(trace::make_frame(open, number_++, space_));
    at_ = open_.data();
    writer_.begin_frame();
  }
  // The empty frame is the mark of the end.
  void end() {
    flush();
    append(trace::make_frame({}, number_++, space_));
  }
  void begin(bool has_times) {
    const std::uint32_t flags = trace::has_end | (has_times ? trace::has_times : 0U);
    const trace::FileHeader header{.flags = flags, .tick = 1};
    append(std::as_bytes(std::span(&header, 1)));
  }

 private:
  void append(std::span<const std::byte> bytes) {
    done_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  std::string done_;
  std::array<std::byte, trace::largest_frame> open_{};
  std::byte* at_ = open_.data();
  std::uint32_t number_ = 0;
  trace::EventWriter writer_;
  trace::PackingSpace space_;
};

constexpr const char writer_doc[] = R"(_TraceWriter(has_times)
--

Writes a trace as a recording.)";

std::unique_ptr<TraceWriter> make_writer(py::handle has_times) {
  auto writer = std::make_unique<TraceWriter>();
  writer->begin(require_flag(has_times, "has_times"));
  return writer;
}

constexpr const char put_doc[] = R"(put($self, kinds, ids, sizes, aligns, tags, threads, times)
--

Write the operations of these columns, which are those of glassheap.traces.Columns.

Raises ValueError if and only if the columns are no trace. O(n).)";

trace::Event event_of(const Operation& operation) {
  constexpr std::array kinds = {trace::EventKind::malloc, trace::EventKind::realloc,
                                trace::EventKind::free};
  return {.kind = kinds.at(operation.kind),
          .address = operation.id,
          .result = operation.id,
          .size = operation.bytes};
}

void put(TraceWriter& writer, py::handle kinds, py::handle ids, py::handle sizes,
         py::handle given_aligns, py::handle given_tags, py::handle given_threads,
         py::handle given_times) {
  const Columns columns(kinds, ids, sizes);
  const OptionalColumn<std::uint64_t> aligns(given_aligns, "aligns", columns.size());
  const OptionalColumn<std::uint32_t> tags(given_tags, "tags", columns.size());
  const OptionalColumn<std::uint64_t> threads(given_threads, "threads", columns.size());
  const OptionalColumn<std::uint64_t> times(given_times, "times", columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Operation operation = columns[i];
    require_valid(operation, i, std::numeric_limits<std::uint32_t>::max());
    trace::Event event = event_of(operation);
    event.align = aligns[i];
    event.tag = tags[i];
    event.thread = threads[i];
    event.time = times[i];
    writer.put(event, trace::longest_event);
  }
}

constexpr const char put_refused_doc[] =
    R"(put_refused($self, kind, block, size, align, tag, thread, time)
--

Write a request that failed.

kind is 0 for a malloc; 1 for a realloc of a block, None if that is not known; 2 for a
size of a batch, of which the next request is another.)";

std::uint32_t require_tag(py::handle given) {
  const std::uint64_t tag = require_number(given, "tag");
  if (tag > std::numeric_limits<std::uint32_t>::max()) throw py::value_error("tag has 32 bits.");
  return static_cast<std::uint32_t>(tag);
}

trace::EventKind require_failure(py::handle kind) {
  constexpr std::array kinds = {trace::EventKind::failed_malloc, trace::EventKind::failed_realloc,
                                trace::EventKind::failed_part};
  const std::uint64_t number = require_number(kind, "kind");
  if (number >= kinds.size()) throw py::value_error("kind is 0, 1 or 2.");
  return kinds[number];
}

// No block has the largest address.
std::uint64_t require_block(py::handle block) {
  return block.is_none() ? ~std::uint64_t{0} : require_number(block, "block");
}

void put_refused(TraceWriter& writer, py::handle kind, py::handle block, py::handle size,
                 py::handle align, py::handle tag, py::handle thread, py::handle time) {
  const trace::Event event{.kind = require_failure(kind),
                           .address = require_block(block),
                           .size = require_number(size, "size"),
                           .align = require_number(align, "align"),
                           .tag = require_tag(tag),
                           .thread = require_number(thread, "thread"),
                           .time = require_number(time, "time")};
  writer.put(event, trace::longest_event);
}

constexpr const char put_tag_doc[] = R"(put_tag($self, number, text)
--

Write the text of a tag, before its first use.)";

void put_tag(TraceWriter& writer, py::handle number, py::handle text) {
  const std::string name = require_string(text, "text");
  const trace::Mark mark{trace::MarkKind::tag, require_number(number, "number"), name};
  writer.put(mark, trace::mark_head + trace::longest_text);
}

constexpr const char put_fact_doc[] = R"(put_fact($self, text)
--

Write a line of text about the recording as a whole.)";

void put_fact(TraceWriter& writer, py::handle text) {
  const std::string line = require_string(text, "text");
  writer.put(trace::Mark{trace::MarkKind::fact, 0, line}, trace::mark_head + trace::longest_text);
}

constexpr const char take_frames_doc[] = R"(take($self)
--

Return the bytes of the whole frames that were written since the last call.)";

py::bytes take_frames(TraceWriter& writer) { return writer.take(); }

constexpr const char end_doc[] = R"(end($self)
--

End the recording.)";

void end(TraceWriter& writer) { writer.end(); }

std::array writer_methods = {
    method<put_doc, put>(),
    method<put_refused_doc, put_refused>(),
    method<put_tag_doc, put_tag>(),
    method<put_fact_doc, put_fact>(),
    method<take_frames_doc, take_frames>(),
    method<end_doc, end>(),
};

}  // namespace

void add_trace_writer(py::module_& module) {
  PyTypeObject* const type =
      make_constructible<TraceWriter, writer_doc, make_writer>("glassheap._core._TraceWriter", 0);
  add_methods(type, writer_methods);
  module.attr("_TraceWriter") = py::handle(reinterpret_cast<PyObject*>(type));
}

}  // namespace glassheap::bindings
