// eviction.cpp: Heap: cheapest, the blocks to free for a request.
//
// The prices are asked for without the heap's lock, and may run any code, also on the heap. The
// search itself runs without the GIL.

#include "eviction.hpp"

#include <cmath>

#include "arguments.hpp"
#include "functions.hpp"
#include "gil.hpp"
#include "raise.hpp"
#include "registry.hpp"
#include "tags.hpp"

namespace glassheap::bindings {
namespace {

using Live = std::span<const BlockInfo>;

// --- Prices. -----------------------------------------------------------------------------------

std::vector<double> sizes(Live live) {
  std::vector<double> prices;
  prices.reserve(live.size());
  for (const BlockInfo& block : live) prices.push_back(static_cast<double>(block.size));
  return prices;
}

[[noreturn]] void refuse_price(double price, py::handle what) {
  const char* const wrong = std::isnan(price) ? "NaN" : "negative";
  throw py::value_error(
      py::str("a cost is a number from 0 upwards, or {} to keep the block, and that "
              "of {} is {}.")
          .format(py::none(), what, wrong)
          .cast<std::string>());
}

double as_price(py::handle given, const py::object& block) {
  if (given.is_none()) return std::numeric_limits<double>::infinity();
  if (PyFloat_Check(given.ptr()) == 0 && PyIndex_Check(given.ptr()) == 0 &&
      PyObject_HasAttrString(given.ptr(), "__float__") == 0)
    throw py::type_error("cost must return a number or None, not " +
                         std::string(Py_TYPE(given.ptr())->tp_name) + ".");
  const double price = PyFloat_AsDouble(given.ptr());
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (!(price >= 0)) refuse_price(price, block);
  return price;
}

std::vector<double> ask(py::handle cost, Live live) {
  const RecordMaker record("BlockInfo");
  std::vector<double> prices;
  prices.reserve(live.size());
  for (const BlockInfo& info : live) {
    const py::object block = as_record(record, info);
    prices.push_back(as_price(cost(block), block));
  }
  return prices;
}

// One number for each live block.
std::vector<double> read_prices(const py::buffer_info& buffer, Live live) {
  if (buffer.ndim != 1 || buffer.format != "d")
    throw py::type_error("the costs in a buffer must be one row of doubles, as in array('d').");
  const auto count = static_cast<std::size_t>(buffer.shape[0]);
  if (count != live.size())
    throw py::value_error("cost has " + std::to_string(count) + " numbers, and the heap has " +
                          std::to_string(live.size()) + " live blocks: pass one for each.");
  std::vector<double> prices;
  prices.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    double price = 0;
    const auto* const first = static_cast<const std::byte*>(buffer.ptr);
    std::memcpy(&price, first + static_cast<py::ssize_t>(i) * buffer.strides[0], sizeof price);
    if (!(price >= 0)) refuse_price(price, py::str("the block with the index {}").format(i));
    prices.push_back(price);
  }
  return prices;
}

// Reads the prices with the GIL, which the search does not have.
Pricing pricing_of(py::handle cost) {
  if (!cost || cost.is_none()) return sizes;
  if (PyCallable_Check(cost.ptr()) != 0) {
    return [cost](Live live) {
      const GilHeld gil;
      return ask(cost, live);
    };
  }
  if (PyObject_CheckBuffer(cost.ptr()) == 0)
    throw py::type_error("cost must be a function of a block or a buffer of doubles, not " +
                         std::string(Py_TYPE(cost.ptr())->tp_name) + ".");
  return [cost](Live live) {
    const GilHeld gil;
    return read_prices(require_buffer(cost, "cost"), live);
  };
}

}  // namespace

py::list as_list(const std::vector<BlockInfo>& blocks) {
  const RecordMaker record("BlockInfo");
  py::list list;
  for (const BlockInfo& info : blocks) list.append(as_record(record, info));
  return list;
}

std::optional<Eviction> find_cheapest(Heap& heap, Size size, Size align, py::handle cost,
                                      py::handle given_align) {
  const Pricing price = pricing_of(cost);
  Fault fault;
  std::optional<Eviction> eviction;
  {
    const GilReleased gil_released;
    eviction = heap.cheapest(size, align, price, fault);
  }
  raise_if(fault, fault.kind == FaultKind::invalid_alignment ? given_align.ptr() : nullptr);
  return eviction;
}

namespace {

constexpr const char cheapest_doc[] = R"(cheapest($self, size, *, align=None, cost=None)
--

Return the live blocks of least cost whose release makes room for malloc(size), or None.

They are an Eviction(blocks, cost, address, size): the blocks as walk() has them, in address
order; the sum of their costs; and the one hole that they make, as walk() would then give
it: the address of a payload in it, and the bytes on offer. There are no blocks if the
request fits now. None means that no set of blocks would do. Of sets of equal cost it is the
one that ends at the lowest address.

align is that of malloc; None stands for a malloc without one.

cost(block) is a number from 0 upwards, or None for a block that must stay; by default it is
the block's size in bytes. Or cost is a buffer of doubles, such as array('d'), with one
number for each live block in the order of walk(), infinity for one that must stay. A block
with a view always stays. Nothing is changed, and costs are asked for without a lock: the
answer is about the heap as it was when the call began.

O(n), without the GIL but for the costs. A heap of sequential_fit whose list is not by
address takes O(n^3 log n), and its blocks must be freed in the given order.

Raises ValueError if and only if a cost is negative or NaN, or the buffer has another
length; TypeError for a cost of another type; what cost raises; InvalidSize,
InvalidAlignment, HeapDamaged, HeapClosed, as malloc does.)";

Size align_or_default(const Heap& heap, py::handle align) {
  std::uint64_t multiple = heap.default_align();
  if (align && !align.is_none() && !read_align(align.ptr(), multiple))
    throw py::error_already_set();
  return multiple;
}

py::object cheapest(Heap& heap, py::handle size, py::handle align, py::handle cost) {
  const Size wanted = require_size(size, "size");
  const Size multiple = align_or_default(heap, align);
  const std::optional<Eviction> eviction = find_cheapest(heap, wanted, multiple, cost, align);
  if (!eviction) return py::none();
  return record_type("Eviction")(as_list(eviction->blocks), eviction->cost, eviction->address,
                                 eviction->size);
}

// --- For glassheap.waiting. --------------------------------------------------------------------

constexpr const char in_turn_doc[] = R"(_malloc_in_turn($self, ticket, bell, size, align, /)
--

Return (address, 0) if the request is served in its turn, else (None, ticket).

Of an event loop, which calls again with the ticket when it hears the bell.)";

py::tuple malloc_in_turn(Heap& heap, py::handle given_ticket, py::handle bell, py::handle size,
                         py::handle align) {
  std::uint64_t ticket = require_number(given_ticket, "ticket");
  const Size multiple = align_or_default(heap, align);
  Fault fault;
  const Announcement announced(heap, context_tag_to_record(heap));
  const Address address = heap.malloc_in_turn(ticket, require_number(bell, "bell"),
                                              require_size(size, "size"), multiple, fault);
  if (fault.kind == FaultKind::out_of_memory) return py::make_tuple(py::none(), ticket);
  raise_if(fault, fault.kind == FaultKind::invalid_alignment ? align.ptr() : nullptr);
  put_context_tag(heap, address);
  return py::make_tuple(address, ticket);
}

constexpr const char leave_line_doc[] = R"(_leave_line($self, ticket, /)
--

Give up the place of that ticket among the requests that wait; 0 is none.)";

void leave_line(Heap& heap, py::handle ticket) {
  heap.leave_line(require_number(ticket, "ticket"));
}

std::array eviction_methods = {method<cheapest_doc, cheapest>(),
                               method<in_turn_doc, malloc_in_turn>(),
                               method<leave_line_doc, leave_line>()};

}  // namespace

void add_eviction(PyTypeObject* type) { add_methods(type, eviction_methods); }

}  // namespace glassheap::bindings
