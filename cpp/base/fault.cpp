#include "glassheap/fault.hpp"

#include <array>
#include <system_error>

#include "base/enum_table.hpp"
#include "base/format.hpp"
#include "base/image_fault.hpp"
#include "base/request_fault.hpp"
#include "base/shortage.hpp"

// One function per kind of fault composes its sentence. The table at the end has a row per kind.

namespace glassheap {
namespace {

// A fault and the text of its argument.
struct Described : Fault {
  std::string argument_text;
};

// --- The request. ------------------------------------------------------------------------------

std::string out_of_memory(const Described& fault) {
  return shortage_facts(fault) + ". " + shortage_remedy(fault);
}

std::string no_pages(const Described& fault) {
  if (fault.argument == 0)
    return "the system does not give the memory that opening the heap takes.";
  return "the system does not give " + fault.argument_text +
         " bytes of memory for a region. Open a smaller heap.";
}

std::string invalid_size(const Described& fault) {
  return invalid_size_sentence(fault, fault.argument_text);
}

std::string invalid_alignment(const Described& fault) {
  return invalid_alignment_sentence(fault, fault.argument_text);
}

std::string invalid_base(const Described& fault) {
  return invalid_base_sentence(fault, fault.argument_text);
}

std::string invalid_granule(const Described& fault) {
  return invalid_granule_sentence(fault.argument_text);
}

std::string region_in_use(const Described& fault) {
  return format(
      "another heap of this process lies over the %llu bytes from 0x%llx on, and some of these are "
      "among them. Close it first, or pass other bytes.",
      ull{fault.maximum}, ull{fault.address});
}

std::string unknown_policy(const Described& /*fault*/) {
  return "the name of the policy is unknown. policies() lists the names.";
}

std::string unwanted_option(const Described& fault) { return unwanted_option_sentence(fault); }

std::string no_bytes(const Described& /*fault*/) {
  return "this heap describes memory that it never touches: it has no bytes to read, write or "
         "view. "
         "Go to the memory itself, at the offset that malloc returned.";
}

std::string must_move(const Described& fault) {
  return format("the block at 0x%llx cannot become ", ull{fault.address}) + fault.argument_text +
         " bytes in place: it must move, and this heap copies no bytes. Pass move=, a function "
         "that "
         "copies them.";
}

// --- The pointer. ------------------------------------------------------------------------------

std::string foreign_pointer(const Described& fault) {
  const std::string address = fault.address == largest_number
                                  ? "an address below 0 or from 2^64 - 1 upwards"
                                  : format("0x%llx", ull{fault.address});
  return address + " is outside the heap's region. Pass an address that this heap returned.";
}

std::string misaligned_pointer(const Described& fault) {
  return format(
      "0x%llx is no multiple of %llu from the start of the region: no block can start there. Pass "
      "the address that malloc returned.",
      ull{fault.address}, ull{granule_of(fault)});
}

std::string interior_pointer(const Described& fault) {
  return format(
      "0x%llx lies inside a live block, but is not where its payload starts. Pass 0x%llx, which "
      "is.",
      ull{fault.address}, ull{fault.owner});
}

std::string double_free(const Described& fault) {
  return format(
      "the memory at 0x%llx is free already: it was freed before, or never handed out. Free each "
      "block once.",
      ull{fault.address});
}

std::string stale_handle(const Described& fault) {
  return format(
      "this Block is stale: its memory at 0x%llx was freed, or the heap was reset, since it was "
      "allocated. Drop it.",
      ull{fault.address});
}

// --- The bytes. --------------------------------------------------------------------------------

constexpr const char* reset_it = " The heap is damaged; a reset brings it back, empty.";

std::string bad_magic(const Described& fault) {
  return format(
             "the header of the block at offset %llu has the magic number 0x%llX instead of "
             "0x%llX: something wrote over it.",
             ull{fault.offset}, ull{fault.found}, ull{fault.expected}) +
         reset_it;
}

std::string wrong_size(const Fault& fault) {
  return format(
      "the header of the block at offset %llu says %llu bytes, but its block holds %llu: something "
      "wrote over it.",
      ull{fault.offset}, ull{fault.found}, ull{fault.expected});
}

std::string wrong_seal(const Fault& fault) {
  return format(
      "the header of the block at offset %llu has the seal 0x%04llX instead of 0x%04llX: something "
      "wrote over its size, serial or seal.",
      ull{fault.offset}, ull{fault.found}, ull{fault.expected});
}

std::string wrong_sum(const Fault& fault) {
  return format(
      "the sizes in the headers add up to %llu bytes, and the heap has counted %llu: something "
      "wrote over a header.",
      ull{fault.found}, ull{fault.expected});
}

std::string broken_rule(const Fault& fault, const char* block) {
  return format("%s at offset %llu breaks the rule '%s': it has 0x%llX where 0x%llX was expected.",
                block, ull{fault.offset}, name_of(fault.rule), ull{fault.found},
                ull{fault.expected});
}

std::string header_corrupted(const Described& fault) {
  switch (fault.rule) {
    case Rule::size:
      return wrong_size(fault) + reset_it;
    case Rule::seal:
      return wrong_seal(fault) + reset_it;
    case Rule::counters:
      return wrong_sum(fault) + reset_it;
    default:
      return broken_rule(fault, "the block") + reset_it;
  }
}

std::string free_list_corrupted(const Described& fault) {
  const char* const cause = fault.field == nullptr ? " Something wrote into freed memory."
                                                   : " Something wrote over the heap's own data.";
  return broken_rule(fault, "the free block") + cause + reset_it;
}

std::string overflow_detected(const Described& fault) {
  if (fault.rule == Rule::sentinel) {
    return format(
        "the region has %llu bytes, and the byte at offset %llu, behind its end, was written. The "
        "heap is damaged; close it, and look for the other user of the buffer.",
        ull{fault.expected}, ull{fault.found});
  }
  return format(
             "the block at offset %llu has %llu bytes, and the byte with the index %llu, behind "
             "its end, was written.",
             ull{fault.offset}, ull{fault.expected}, ull{fault.found}) +
         reset_it;
}

std::string write_after_free(const Described& fault) {
  return format(
             "the byte at offset %llu is free memory, and was written: it is 0x%02llX instead of "
             "0x%02llX.",
             ull{fault.offset}, ull{fault.found}, ull{fault.expected}) +
         reset_it;
}

// --- The state of the heap. --------------------------------------------------------------------

std::string pinned(const Described& fault) {
  if (fault.address == 0) return "a view of the heap's region is still alive. Release it first.";
  return format("a view of the block at 0x%llx is still alive. Release it first.",
                ull{fault.address});
}

std::string moving(const Described& fault) {
  return format(
      "a realloc is moving the block at 0x%llx, and its move has not returned. Wait for it.",
      ull{fault.address});
}

std::string heap_damaged(const Described& /*fault*/) {
  return "the heap was found corrupt and refuses every change. check() lists the damage; a reset "
         "brings it back, empty.";
}

std::string heap_busy(const Described& /*fault*/) {
  return "this thread is inside the heap already: a signal handler interrupted one of its calls. "
         "Try again when the handler has returned.";
}

std::string heap_closed(const Described& /*fault*/) {
  return "the heap is closed: its region has been given back. Open another.";
}

// --- Sharing. ----------------------------------------------------------------------------------

std::string lock_timeout(const Described& /*fault*/) {
  return "another process held the heap's lock for the whole timeout. Try again, or with a longer "
         "timeout.";
}

std::string attach_timeout(const Described& /*fault*/) {
  return "the process that makes a heap in these bytes did not finish within the timeout: it may "
         "have died. Make the heap anew, or try again with a longer timeout.";
}

std::string interrupted(const Described& /*fault*/) {
  return "the wait for another thread or process was interrupted, and nothing has changed. Try "
         "again.";
}

std::string bad_image(const Described& fault) { return bad_image_sentence(fault); }

std::string too_many_holders(const Described& fault) {
  return format(
      "all %llu references to shared blocks are in use, %llu of them by dead processes. Drop those "
      "with reap(), or free some.",
      ull{fault.maximum}, ull{fault.found});
}

std::string too_many_processes(const Described& /*fault*/) {
  return format(
      "%u processes are attached or own blocks: there are no more numbers. Close one, or free the "
      "blocks of the dead.",
      unsigned{most_processes});
}

std::string system_error(const Described& fault) {
  const bool is_recording = fault.field != nullptr;
  return (is_recording ? "the recording of the heap cannot be written: "
                       : "the operating system refuses the call: ") +
         std::generic_category().message(fault.system_error) + ".";
}

std::string no_fault(const Described& /*fault*/) { return "there is no fault."; }

// --- The table. --------------------------------------------------------------------------------

struct KindRow {
  FaultKind key;
  const char* exception;
  FaultCategory category;
  std::string (*sentence)(const Described&);
};

namespace kinds {
using enum FaultCategory;
constexpr std::array rows = {
    KindRow{FaultKind::none, "", none, no_fault},
    KindRow{FaultKind::out_of_memory, "OutOfMemory", request, out_of_memory},
    KindRow{FaultKind::no_pages, "OutOfMemory", request, no_pages},
    KindRow{FaultKind::invalid_size, "InvalidSize", request, invalid_size},
    KindRow{FaultKind::invalid_alignment, "InvalidAlignment", request, invalid_alignment},
    KindRow{FaultKind::invalid_base, "InvalidAlignment", request, invalid_base},
    KindRow{FaultKind::invalid_granule, "InvalidAlignment", request, invalid_granule},
    KindRow{FaultKind::region_in_use, "RegionInUse", request, region_in_use},
    KindRow{FaultKind::unknown_policy, "ValueError", request, unknown_policy},
    KindRow{FaultKind::unwanted_option, "ValueError", request, unwanted_option},
    KindRow{FaultKind::no_bytes, "TypeError", request, no_bytes},
    KindRow{FaultKind::must_move, "MustMove", request, must_move},
    KindRow{FaultKind::foreign_pointer, "ForeignPointer", pointer, foreign_pointer},
    KindRow{FaultKind::misaligned_pointer, "MisalignedPointer", pointer, misaligned_pointer},
    KindRow{FaultKind::interior_pointer, "InteriorPointer", pointer, interior_pointer},
    KindRow{FaultKind::double_free, "DoubleFree", pointer, double_free},
    KindRow{FaultKind::stale_handle, "StaleHandle", pointer, stale_handle},
    KindRow{FaultKind::bad_magic, "BadMagic", corruption, bad_magic},
    KindRow{FaultKind::header_corrupted, "HeaderCorrupted", corruption, header_corrupted},
    KindRow{FaultKind::free_list_corrupted, "FreeListCorrupted", corruption, free_list_corrupted},
    KindRow{FaultKind::overflow_detected, "OverflowDetected", corruption, overflow_detected},
    KindRow{FaultKind::write_after_free, "WriteAfterFree", corruption, write_after_free},
    KindRow{FaultKind::pinned, "BufferError", state, pinned},
    KindRow{FaultKind::moving, "HeapError", state, moving},
    KindRow{FaultKind::heap_damaged, "HeapDamaged", state, heap_damaged},
    KindRow{FaultKind::heap_busy, "HeapError", state, heap_busy},
    KindRow{FaultKind::heap_closed, "HeapClosed", state, heap_closed},
    KindRow{FaultKind::lock_timeout, "LockTimeout", sharing, lock_timeout},
    KindRow{FaultKind::attach_timeout, "AttachTimeout", sharing, attach_timeout},
    KindRow{FaultKind::interrupted, "KeyboardInterrupt", sharing, interrupted},
    KindRow{FaultKind::bad_image, "BadImage", sharing, bad_image},
    KindRow{FaultKind::too_many_holders, "TooManyReferences", sharing, too_many_holders},
    KindRow{FaultKind::too_many_processes, "TooManyProcesses", sharing, too_many_processes},
    KindRow{FaultKind::system_error, "OSError", sharing, system_error},
};
}  // namespace kinds
static_assert(has_row_for_each(kinds::rows, FaultKind::system_error));

const KindRow& row_of(FaultKind kind) noexcept {
  return kinds::rows[static_cast<std::size_t>(kind)];
}

}  // namespace

FaultCategory category_of(FaultKind kind) noexcept { return row_of(kind).category; }
const char* name_of(FaultKind kind) noexcept { return row_of(kind).exception; }

std::string sentence(const Fault& fault, std::string_view argument) {
  Described described{fault, std::string(argument)};
  if (argument.empty()) {
    described.argument_text =
        fault.argument == largest_number ? "2^64 - 1 or more" : std::to_string(fault.argument);
  }
  return row_of(fault.kind).sentence(described);
}

}  // namespace glassheap
