// recording.hpp: the file to which a heap writes its calls (Options::record), in the format of
// trace/layout.hpp.
//
// A call is added inside of the heap's lock, when it has succeeded or found no memory: the order in
// the file is the order in the heap. Each such call takes the careful way (core/front_line.hpp).
//
//     Announcement       what this thread says of its next requests: a tag, or that it tries only
//        |
//     HeapState::note_   the call as the caller sees it             recorded_calls.cpp
//        |
//     Recording          defines tags; thread and time              here
//        |
//     TraceFile          bytes                                      trace/
//
// The numbers of tags are those of the heap. The heap gives a number to another tag when no block
// has the first one any more: so a number is defined again after forget_tags().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fork_list.hpp"
#include "glassheap/fault.hpp"
#include "glassheap/options.hpp"
#include "heap/tag_table.hpp"
#include "trace/earlier_recording.hpp"
#include "trace/trace_file.hpp"

namespace glassheap {

// What the caller of malloc or realloc has asked for, in its own units.
struct Asked {
  Size size;
  Size align;
};

// What a thread says of its requests on one heap.
struct Announced {
  const void* heap = nullptr;  // the HeapState
  TagId tag = 0;
  bool tries = false;  // what fails is tried again, and no failure of the call yet
};
[[nodiscard]] Announced& announced() noexcept;  // by this thread

class Recording final : ForkListed {
 public:
  // Creates the file that the options ask for. Returns null if they ask for none, and if the system
  // refuses (system_error): with EBUSY if another recorder writes this file, EEXIST if there is
  // something else than a recording. Throws std::bad_alloc.
  [[nodiscard]] static std::unique_ptr<Recording> create(const Options& options, Fault& fault);
  // If the heap could not be opened, removes the file, and puts an earlier recording back.
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  // The heap is open: an earlier recording of this name is removed. Does nothing for null.
  static void keep(Recording* begun) noexcept;

  // Add a fact, a call, or that all blocks were freed. Nothing in a forked child. `tags` may be null
  // if the event has no tag. Its thread and its time are filled in.
  void add_fact(std::string_view fact) noexcept;
  void add(trace::Event event, const TagTable* tags) noexcept;
  void add_reset() noexcept;
  // Call it when numbers of tags may have got another text.
  void forget_tags() noexcept { defined_.clear(); }

 private:
  Recording(const std::string& path, unsigned forks) : path_(path), earlier_(path), forks_(forks) {}
  // Returns 0, or errno. Throws std::bad_alloc.
  [[nodiscard]] int open(Size granule);
  void undo() noexcept;
  void let_go() noexcept override;
  [[nodiscard]] bool is_on() noexcept;
  void define(TagId tag, const TagTable& tags) noexcept;

  trace::TraceFile file_;
  const std::string path_;
  trace::EarlierRecording earlier_;
  const unsigned forks_;  // fork_count() of the process that records
  bool kept_ = false;
  bool inherited_ = false;     // by a forked child
  std::vector<bool> defined_;  // by the number of the tag
};

}  // namespace glassheap
