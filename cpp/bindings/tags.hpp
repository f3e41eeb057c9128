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
#include "signature.hpp"

namespace glassheap::bindings {

// --- The tag of the context. -------------------------------------------------------------------

// The innermost tag of this heap in the context, which keeps it held; 0 if it has none. With the GIL.
TagId context_tag(const Heap& heap) noexcept;

// Gives it to a block that the heap has just handed out: one test for a heap without a ContextTag.
inline void put_context_tag(Heap& heap, Address payload) noexcept {
  if (heap.has_tag_scopes()) [[unlikely]]
    heap.set_tag(payload, context_tag(heap));
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

// A hot method that also takes a tag. `function` does all but that.
template <const auto& doc, auto function>
[[gnu::always_inline]] inline PyObject* with_tag(PyObject* self, Heap& heap,
                                                 const Arguments<doc>& arguments) {
  PyObject* const given = arguments[place_of_tag<doc>()];
  if (given == nullptr) [[likely]]
    return function(self, heap, arguments);
  CallTag tag;
  if (!tag.read(heap, given)) return nullptr;
  PyObject* const result = function(self, heap, arguments);
  if (result != nullptr) tag.put_on(payload_of_result(result));
  return result;
}

}  // namespace glassheap::bindings
