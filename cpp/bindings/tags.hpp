// tags.hpp: the tag of a call that allocates: the one that was passed, or else that of the context.
//
// `with heap.tagged("request-17"):` sets a ContextVar to a ContextTag, which has the heap, its tag and
// the ContextTag around it:
//
//     ContextVar -> | heap, tag, outer | -> | another heap, tag, outer | -> None
//
// So the statements nest, each heap has a tag of its own, and threads and asyncio tasks have what
// Python gives them. The variable is read only if there is a ContextTag of the heap.
#pragma once

#include "arguments.hpp"
#include "glassheap/announcement.hpp"
#include "signature.hpp"
#include "small_ints.hpp"

namespace glassheap::bindings {

// --- The tag of the context. -------------------------------------------------------------------

// The innermost tag of this heap in the context, which keeps it held; 0 if it has none. With the GIL.
TagId context_tag(const Heap& heap) noexcept;

// Gives it to a block that the heap has just handed out: one test for a heap without a ContextTag.
inline void put_context_tag(Heap& heap, Address payload) noexcept {
  if (heap.has_tag_scopes()) [[unlikely]]
    heap.set_tag(payload, context_tag(heap));
}

// The tag to announce for a request without a tag of its own, to a heap that records.
inline TagId context_tag_to_record(const Heap& heap) noexcept {
  return heap.records() && heap.has_tag_scopes() ? context_tag(heap) : TagId{0};
}

// --- The tag that is passed. -------------------------------------------------------------------

// The tag of one call, which is held for as long as it lives; none at first.
class CallTag {
 public:
  CallTag() = default;
  ~CallTag() {
    if (heap_ != nullptr) heap_->drop_tag(id_);
  }
  CallTag(const CallTag&) = delete;
  CallTag& operator=(const CallTag&) = delete;

  // Reads the argument `tag`; null and None are none. Returns false, with an exception set, if it is
  // no tag.
  bool read(Heap& heap, PyObject* given) noexcept;
  // The tag, or 0.
  [[nodiscard]] TagId id() const noexcept { return id_; }
  // Gives the tag to the block, if there is one.
  void put_on(Address payload) const noexcept {
    if (heap_ != nullptr) heap_->set_tag(payload, id_);
  }

 private:
  Heap* heap_ = nullptr;
  TagId id_ = 0;
};

// The place of the argument `tag` in a signature.
template <const auto& doc>
constexpr std::size_t place_of_tag() {
  std::size_t i = 0;
  while (signature_of<doc>.parameters.at(i) != "tag") ++i;
  return i;
}

// The payload of what a call that allocates has returned: an address, or a Block.
Address payload_of_result(PyObject* result) noexcept;

// True if the call resizes a block, which keeps its tag, and allocates none.
template <const auto& doc>
bool resizes(const Heap& heap, const Arguments<doc>& arguments) noexcept {
  if constexpr (signature_of<doc>.parameters.at(0) != "address") return false;
  std::uint64_t address = 1;  // any but 0
  const bool is_null = read_small_int(arguments[0], address) && address == 0 && heap.has_bytes();
  return arguments[0] != Py_None && !is_null;
}

// A hot method that also takes a tag. `function` does all but that. A heap that records is told of
// the tag before.
template <const auto& doc, auto function>
[[gnu::always_inline]] inline PyObject* with_tag(PyObject* self, Heap& heap,
                                                 const Arguments<doc>& arguments) {
  PyObject* const given = arguments[place_of_tag<doc>()];
  if (given == nullptr && !heap.records()) [[likely]]
    return function(self, heap, arguments);
  CallTag tag;
  if (!tag.read(heap, given)) return nullptr;
  const bool takes_context = tag.id() == 0 && !resizes<doc>(heap, arguments);
  const Announcement announced(heap, takes_context ? context_tag_to_record(heap) : tag.id());
  PyObject* const result = function(self, heap, arguments);
  if (result != nullptr) tag.put_on(payload_of_result(result));
  return result;
}

}  // namespace glassheap::bindings
