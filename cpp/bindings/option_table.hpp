// option_table.hpp: the options of a heap, a row each: its name, its default, and how it is read.
//
// Heap, Heap.over, OffsetHeap and SharedHeap.create all read their options here. A further option is a field of
// Options, a row of the table, and a line of the stub.
#pragma once

#include <string>

#include "bindings.hpp"

namespace glassheap::bindings {

// The call that takes the options. A shared heap always locks, and its addresses are offsets: it
// takes neither `threads` nor `base`. An offset heap has no bytes, and takes no option about them.
enum class OptionSet : std::uint8_t {
  heap = 1,
  shared_heap = 2,
  offset_heap = 4,
  shared_offset_heap = 8,
};

// Reads options by their names. Throws TypeError for an unknown name, which the sentence lists the
// known ones beside, and for a value of the wrong type; ValueError or InvalidSize for a value out
// of range.
Options read_options(const py::dict& given, OptionSet set);

// "policy='first_fit', headers=True, ...": the options in the signature of a function.
std::string options_signature(OptionSet set);

// 'robust' or 'debug'.
std::string_view name_of(Checks checks);

}  // namespace glassheap::bindings
