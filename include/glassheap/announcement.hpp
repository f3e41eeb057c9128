// announcement.hpp: Announcement, what a thread says of its requests to a heap that records them.
//
//     const Tag tag(heap, "request-17");
//     const Announcement announced(heap, tag.id());
//     tag.put_on(heap.malloc(100, granule_size, fault));  // recorded with the tag, also if it fails
#pragma once

#include "glassheap/heap.hpp"

namespace glassheap {

// What a heap that records notes with each request of this thread, while it lives: a tag, also if the
// request fails; or that the requests are attempts, whose failure is not recorded. Of several the
// last counts. Does nothing for a heap that does not record.
class Announcement {
 public:
  struct Attempt {};
  // The tag is held as long; 0 is none: a realloc is then recorded with the tag of its block.
  Announcement(const Heap& heap, TagId tag) noexcept {
    if (heap.records()) [[unlikely]]
      say_tag(heap, tag);
  }
  // With the tag that was announced before.
  Announcement(const Heap& heap, Attempt /*attempt*/) noexcept {
    if (heap.records()) [[unlikely]]
      say_attempt(heap);
  }
  ~Announcement() {
    if (said_) [[unlikely]]
      take_back();
  }
  Announcement(const Announcement&) = delete;
  Announcement& operator=(const Announcement&) = delete;

 private:
  void say_tag(const Heap& heap, TagId tag) noexcept;
  void say_attempt(const Heap& heap) noexcept;
  void take_back() noexcept;

  const void* heap_ = nullptr;  // what was announced before
  TagId tag_ = 0;
  bool tries_ = false;
  bool said_ = false;
};

}  // namespace glassheap
