// session.hpp: a program that uses a heap as an input says: correctly, wrongly, and with malice.
//
// The session draws each step and its arguments from the input. CheckedHeap makes the calls, and
// checks their results.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "checked_heap.hpp"
#include "input.hpp"

namespace glassheap::fuzzing {

class Session {
 public:
  Session(std::string_view policy, Input in);

  // Runs every step of the input, and closes the heap.
  void run();

 private:
  void step();

  // --- The steps of a program. ------------------------------------------------------------------

  void do_malloc();
  void do_malloc_exact();
  void do_calloc();
  void do_free();
  void do_realloc();
  void do_free_any();
  void do_realloc_any();
  void do_malloc_many();
  void do_free_many();
  void do_acquire();
  void do_release();
  void do_pin();
  void do_pin_handle();
  void do_unpin();
  void do_query();
  void do_inspect();
  void do_reset();

  // --- The steps that write into the region. ----------------------------------------------------

  void do_write_payload();
  void do_write_past_payload();
  void do_write_front();
  void do_write_any();
  void do_write_free();
  void do_copy_front();
  void do_forge_link();

  // --- Draws. -----------------------------------------------------------------------------------

  using Live = std::map<Address, Allocation>;

  [[nodiscard]] const Live& live() const { return heap_.oracle().live; }
  Live::const_iterator any_live();
  Address any_live_payload();
  Address any_place();
  Address any_pointer();
  const HeldHandle& any_handle();
  std::vector<std::byte> any_bytes(std::size_t length);

  Input in_;
  CheckedHeap heap_;
  std::vector<HeldHandle> handles_;
  std::vector<std::byte> saved_front_;
};

}  // namespace glassheap::fuzzing
