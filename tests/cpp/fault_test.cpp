// The messages of faults: each has a name and a sentence that says what was found, what was
// expected, and what to do. Here is the whole sentence of every kind, and of every form it has.

#include "glassheap/fault.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "printing.hpp"

namespace glassheap {
namespace {

constexpr std::uint64_t most = ~std::uint64_t{0};

std::vector<FaultKind> all_kinds() {
  std::vector<FaultKind> kinds;
  for (int i = 1; i <= static_cast<int>(FaultKind::system_error); ++i)
    kinds.push_back(static_cast<FaultKind>(i));
  return kinds;
}

struct Golden {
  Fault fault;
  std::string sentence;  // without the remedy of most corruption, which is a sentence of its own
};

Fault shortage(Size requested, const Shortage& shortage) {
  return {.kind = FaultKind::out_of_memory, .argument = requested, .shortage = shortage};
}
Fault of_number(FaultKind kind, std::uint64_t argument, std::uint64_t maximum = 0) {
  return {.kind = kind, .minimum = 1, .argument = argument, .maximum = maximum};
}
Fault at(FaultKind kind, Address address, Address owner = 0) {
  return {.kind = kind, .address = address, .owner = owner};
}
// Of corruption at offset 48, which a reset repairs unless it is outside the region.
Fault broken(FaultKind kind, Rule rule, std::uint64_t expected, std::uint64_t found) {
  return {.kind = kind, .rule = rule, .offset = 48, .expected = expected, .found = found};
}

const std::vector<Golden> golden = {
    {{}, "there is no fault."},
    // The request. Its number is 2^64 - 1 if the caller's is larger, and is not presented as his.
    {shortage(501, {402, 303, 2}),
     "exhausted: no free block can hold 501 bytes: 402 are available in 2 free blocks, the largest "
     "of which offers 303. Free something, ask for less, or open a larger heap."},
    {shortage(501, {402, 402, 1}),
     "exhausted: no free block can hold 501 bytes: 402 are available in 1 free block, the largest "
     "of which offers 402. Free something, ask for less, or open a larger heap."},
    {shortage(501, {602, 702, 1, 256}),
     "alignment: no free block can hold 501 bytes at a multiple of 256: 602 are available in 1 "
     "free block, the largest of which offers 702. Free something, ask for less or for a smaller "
     "align, or "
     "open a larger heap."},
    {shortage(501, {602, 501, 2}),
     "exhausted: no free block can hold 501 bytes beside the earlier sizes of the batch: 602 are "
     "available in 2 free blocks, the largest of which offers 501. Free something, ask for less, "
     "or open a "
     "larger heap."},
    {shortage(most, {0, 0, 0}),
     "exhausted: no free block can hold 2^64 - 1 bytes or more: 0 are available in 0 free blocks, "
     "the largest "
     "of which offers 0. Free something, ask for less, or open a larger heap."},
    {shortage(501, {602, 303, 2}),
     "fragmented: no free block can hold 501 bytes: 602 are available in 2 free blocks, the "
     "largest "
     "of which offers 303. Free something, ask for less, or open a larger heap."},
    {of_number(FaultKind::no_pages, 77),
     "the system does not give 77 bytes of memory for a region. Open a smaller heap."},
    {of_number(FaultKind::no_pages, 0),
     "the system does not give the memory that opening the heap takes."},
    {of_number(FaultKind::no_pages, most),
     "the system does not give 2^64 - 1 or more bytes of memory for a region. Open a smaller "
     "heap."},
    {of_number(FaultKind::invalid_size, 7, 99),
     "the region of a heap with these options has from 16 to 99 bytes, not 7."},
    {of_number(FaultKind::invalid_size, most, 99),
     "the region of a heap with these options has from 16 to 99 bytes, not 2^64 - 1 or more."},
    {{.kind = FaultKind::invalid_size,
      .minimum = 1,
      .granule_bits = 12,
      .argument = 777,
      .maximum = 99,
      .field = "granule"},
     "the region of a heap with these options has from 4096 to 99 bytes, not 777. With a larger "
     "granule it may have more."},
    {of_number(FaultKind::invalid_alignment, 24, 64),
     "align must be a power of two up to 64, a quarter of this region, and 24 is not."},
    {of_number(FaultKind::invalid_alignment, 32, 16),
     "align must be a power of two up to 16, a quarter of this region but no less than 16, and 32 "
     "is not."},
    {of_number(FaultKind::invalid_alignment, most, 64),
     "align must be a power of two up to 64, a quarter of this region, and 2^64 - 1 or more is "
     "not."},
    {{.kind = FaultKind::invalid_alignment, .argument = 64, .maximum = 32, .expected = 128},
     "align must be a power of two up to 32, modulo which the addresses of this heap agree with "
     "the "
     "real ones, and 64 is not. Open the heap without base, or over a buffer that begins at a "
     "multiple of the align."},
    {{.kind = FaultKind::invalid_alignment, .granule_bits = 12, .argument = 3, .maximum = 4096},
     "align must be a power of two up to 4096, a quarter of this region but no less than 4096, and "
     "3 is not."},
    {of_number(FaultKind::invalid_granule, 24),
     "granule must be a power of two up to 1099511627776, and 24 is not."},
    {of_number(FaultKind::invalid_base, 0x18),
     "base must be a multiple of 16 with room for a region above it, and 0x18 is not."},
    {of_number(FaultKind::invalid_base, most),
     "base must be a multiple of 16 with room for a region above it, and 2^64 - 1 or more is not."},
    {{.kind = FaultKind::region_in_use, .address = 0xABC0, .maximum = 4096},
     "another heap of this process lies over the 4096 bytes from 0xabc0 on, and some of these are "
     "among them. Close it first, or pass other bytes."},
    {{.kind = FaultKind::unknown_policy},
     "the name of the policy is unknown. policies() lists the names."},
    {{.kind = FaultKind::unwanted_option, .field = "order"},
     "the option 'order' is taken by the policy 'sequential_fit' alone. Leave it out, or ask for "
     "that policy."},
    {{.kind = FaultKind::unwanted_option, .field = "huge_pages"},
     "the option 'huge_pages' is about memory that the heap maps itself, and this memory has an "
     "owner. Leave it out, or open a Heap of a size."},
    {{.kind = FaultKind::unwanted_option, .field = "quarantine"},
     "the option 'quarantine' is taken by a heap of one process with checks='debug' alone. Leave "
     "it "
     "out, or ask for these checks."},
    {{.kind = FaultKind::unwanted_option, .field = "thread_cache"},
     "the option 'thread_cache' is only for a heap of one process with checks='robust', which has "
     "neither zero_on_free nor record. Leave it out, or open such a heap."},
    {{.kind = FaultKind::unwanted_option, .field = "zero_on_free"},
     "the option 'zero_on_free' is about bytes, and a heap with a granule never touches the memory "
     "that it describes. Leave it out."},
    {{.kind = FaultKind::unwanted_option, .field = "granule"},
     "the option 'granule' is that of a heap that describes memory which it never touches. Leave "
     "it out, or open such a heap, with a size."},
    {{.kind = FaultKind::unwanted_option, .field = "align"},
     "the option 'align' is taken by a heap of one process with a granule alone. Leave it out, or "
     "pass align to each call."},
    {{.kind = FaultKind::no_bytes},
     "this heap describes memory that it never touches: it has no bytes to read, write or view. Go "
     "to the memory itself, at the offset that malloc returned."},
    {{.kind = FaultKind::must_move, .address = 0xABC, .argument = 77},
     "the block at 0xabc cannot become 77 bytes in place: it must move, and this heap copies no "
     "bytes. Pass move=, a function that copies them."},
    // The pointer.
    {at(FaultKind::foreign_pointer, 0xABC),
     "0xabc is outside the heap's region. Pass an address that this heap returned."},
    {at(FaultKind::foreign_pointer, most),
     "an address below 0 or from 2^64 - 1 upwards is outside the heap's region. Pass an address "
     "that this heap returned."},
    {at(FaultKind::misaligned_pointer, 0xABC),
     "0xabc is no multiple of 16 from the start of the region: no block can start there. Pass the "
     "address that malloc returned."},
    {{.kind = FaultKind::misaligned_pointer, .granule_bits = 0, .address = 0xABC},
     "0xabc is no multiple of 1 from the start of the region: no block can start there. Pass the "
     "address that malloc returned."},
    {at(FaultKind::interior_pointer, 0xABC, 0xAB0),
     "0xabc lies inside a live block, but is not where its payload starts. Pass 0xab0, which is."},
    {at(FaultKind::double_free, 0xABC),
     "the memory at 0xabc is free already: it was freed before, or never handed out. Free each "
     "block once."},
    {at(FaultKind::stale_handle, 0xABC),
     "this Block is stale: its memory at 0xabc was freed, or the heap was reset, since it was "
     "allocated. Drop it."},
    // The bytes.
    {broken(FaultKind::bad_magic, Rule::magic, 0xDEADBEEF, 0x41),
     "the header of the block at offset 48 has the magic number 0x41 instead of 0xDEADBEEF: "
     "something wrote over it."},
    {broken(FaultKind::header_corrupted, Rule::size, 64, 9),
     "the header of the block at offset 48 says 9 bytes, but its block holds 64: something wrote "
     "over it."},
    {broken(FaultKind::header_corrupted, Rule::seal, 0xAB, 9),
     "the header of the block at offset 48 has the seal 0x0009 instead of 0x00AB: something wrote "
     "over its size, serial or seal."},
    {broken(FaultKind::header_corrupted, Rule::counters, 64, 60),
     "the sizes in the headers add up to 60 bytes, and the heap has counted 64: something wrote "
     "over a header."},
    {broken(FaultKind::header_corrupted, Rule::coverage, 1, 0),
     "the block at offset 48 breaks the rule 'coverage': it has 0x0 where 0x1 was expected."},
    {broken(FaultKind::free_list_corrupted, Rule::next, 5, 6),
     "the free block at offset 48 breaks the rule 'next': it has 0x6 where 0x5 was expected. "
     "Something wrote into freed memory."},
    {{.kind = FaultKind::free_list_corrupted,
      .rule = Rule::next,
      .field = "node",
      .offset = 48,
      .expected = 5,
      .found = 6},
     "the free block at offset 48 breaks the rule 'next': it has 0x6 where 0x5 was expected. "
     "Something wrote over the heap's own data."},
    {broken(FaultKind::overflow_detected, Rule::redzone, 20, 22),
     "the block at offset 48 has 20 bytes, and the byte with the index 22, behind its end, was "
     "written."},
    {broken(FaultKind::overflow_detected, Rule::sentinel, 64, 65),
     "the region has 64 bytes, and the byte at offset 65, behind its end, was written. The heap is "
     "damaged; close it, and look for the other user of the buffer."},
    {broken(FaultKind::write_after_free, Rule::fill, 0xDD, 7),
     "the byte at offset 48 is free memory, and was written: it is 0x07 instead of 0xDD."},
    // The state of the heap.
    {at(FaultKind::pinned, 0xABC),
     "a view of the block at 0xabc is still alive. Release it first."},
    {at(FaultKind::pinned, 0), "a view of the heap's region is still alive. Release it first."},
    {at(FaultKind::moving, 0xABC),
     "a realloc is moving the block at 0xabc, and its move has not returned. Wait for it."},
    {{.kind = FaultKind::heap_damaged},
     "the heap was found corrupt and refuses every change. check() lists the damage; a reset "
     "brings it back, empty."},
    {{.kind = FaultKind::heap_busy},
     "this thread is inside the heap already: a signal handler interrupted one of its calls. Try "
     "again when the handler has returned."},
    {{.kind = FaultKind::heap_closed},
     "the heap is closed: its region has been given back. Open another."},
    // Sharing.
    {{.kind = FaultKind::lock_timeout},
     "another process held the heap's lock for the whole timeout. Try again, or with a longer "
     "timeout."},
    {{.kind = FaultKind::attach_timeout},
     "the process that makes a heap in these bytes did not finish within the timeout: it may have "
     "died. Make the heap anew, or try again with a longer timeout."},
    {{.kind = FaultKind::interrupted},
     "the wait for another thread or process was interrupted, and nothing has changed. Try again."},
    {{.kind = FaultKind::bad_image, .field = "policy"},
     "the front of this glassheap image is wrong: its field 'policy' is not as this version on "
     "this "
     "machine writes it. Check a copy with glassheap fsck."},
    {{.kind = FaultKind::bad_image, .field = "version", .expected = 1, .found = 9},
     "the front of this glassheap image is wrong: its field 'version' is 0x9 instead of 0x1. Check "
     "a "
     "copy with glassheap fsck."},
    {{.kind = FaultKind::bad_image, .field = "granule", .expected = 1},
     "this is the image of a heap with bytes. Attach to it with SharedHeap."},
    {{.kind = FaultKind::bad_image, .field = "granule", .found = 1},
     "this is the image of a heap of offsets. Attach to it with SharedOffsetHeap."},
    {{.kind = FaultKind::bad_image, .field = "size", .expected = 80, .found = 20},
     "this glassheap image is cut short: its size is 20 bytes, and should be at least 80. Restore "
     "it from a copy."},
    {{.kind = FaultKind::bad_image, .field = "size", .expected = 80},
     "this is no glassheap image: its size is 0, an empty file."},
    {{.kind = FaultKind::bad_image, .field = "type", .found = S_IFIFO},
     "this is no glassheap image, but a FIFO: the type of an image is a regular file."},
    {{.kind = FaultKind::bad_image, .field = "magic", .expected = 0x6161, .found = 0x0A62},
     "this is no glassheap image: its magic number, the first 8 bytes, is 'b.......', and that of "
     "an image is 'aa......'."},
    {{.kind = FaultKind::bad_image,
      .rule = Rule::seal,
      .field = "seal",
      .offset = 48,
      .expected = 1,
      .found = 2},
     "the blocks of this glassheap image are damaged: 'seal' is wrong at offset 48, 0x2 instead of "
     "0x1. glassheap fsck says what --rebuild would save."},
    {of_number(FaultKind::too_many_holders, 0, 4096),
     "all 4096 references to shared blocks are in use, 0 of them by dead processes. Drop those "
     "with "
     "reap(), or free some."},
    {{.kind = FaultKind::too_many_processes},
     "4095 processes are attached or own blocks: there are no more numbers. Close one, or free the "
     "blocks of the dead."},
    {{.kind = FaultKind::system_error, .system_error = ENOSPC},
     std::string("the operating system refuses the call: ") + std::strerror(ENOSPC) + "."},
    {{.kind = FaultKind::system_error, .system_error = ENOSPC, .field = "record"},
     std::string("the recording of the heap cannot be written: ") + std::strerror(ENOSPC) + "."},
};

TEST(Sentence, OfEveryKindIsTheDocumentedOne) {
  std::vector<bool> covered(all_kinds().size() + 1);
  const std::string remedy = " The heap is damaged; a reset brings it back, empty.";
  for (const auto& [fault, text] : golden) {
    const bool repairable = is_corruption(fault.kind) && fault.rule != Rule::sentinel;
    EXPECT_EQ(sentence(fault), repairable ? text + remedy : text);
    covered[static_cast<std::size_t>(fault.kind)] = true;
  }
  for (const FaultKind kind : all_kinds())
    EXPECT_TRUE(covered[static_cast<std::size_t>(kind)]) << static_cast<int>(kind);
}

// No sentence is truncated, even with the largest number in every place.
TEST(Sentence, IsNotTruncatedAndOnOneLine) {
  for (const FaultKind kind : all_kinds()) {
    Fault fault{.kind = kind, .rule = Rule::neighbours, .minimum = 255};
    for (std::uint64_t* const number :
         {&fault.address, &fault.owner, &fault.argument, &fault.maximum, &fault.offset,
          &fault.expected, &fault.found, &fault.shortage.available})
      *number = most - 1;
    fault.field = "an option with a name of some length";
    EXPECT_EQ(sentence(fault).back(), '.') << sentence(fault);
    EXPECT_EQ(sentence(fault).find('\n'), std::string::npos) << sentence(fault);
    EXPECT_EQ(sentence({.kind = kind}).back(), '.') << sentence({.kind = kind});
  }
}

// A binding passes the text of a number that 64 bits do not hold.
TEST(Sentence, HasTheTextOfItsArgumentIfOneIsGiven) {
  EXPECT_EQ(sentence(of_number(FaultKind::invalid_alignment, 0, 64), "-2"),
            "align must be a power of two up to 64, a quarter of this region, and -2 is not.");
}

// Every kind of damage with every rule, also those that no program can provoke.
TEST(Sentence, OfCorruptionNamesItsPlaceWhateverTheRule) {
  for (const FaultKind kind : all_kinds()) {
    for (int i = 1; is_corruption(kind) && i < static_cast<int>(Rule::sentinel); ++i) {
      const Rule rule = static_cast<Rule>(i);
      if (rule == Rule::counters && kind == FaultKind::header_corrupted) continue;
      const std::string text = sentence(broken(kind, rule, 7, 9));
      EXPECT_NE(text.find("48"), std::string::npos) << text;
      EXPECT_EQ(text.back(), '.') << text;
    }
  }
}

TEST(Fault, OfEachKindHasANameAndACategory) {
  for (const FaultKind kind : all_kinds()) {
    EXPECT_STRNE(name_of(kind), "") << static_cast<int>(kind);
    EXPECT_NE(category_of(kind), FaultCategory::none) << static_cast<int>(kind);
    const bool damage = kind == FaultKind::bad_magic || kind == FaultKind::header_corrupted ||
                        kind == FaultKind::free_list_corrupted ||
                        kind == FaultKind::overflow_detected || kind == FaultKind::write_after_free;
    EXPECT_EQ(is_corruption(kind), damage) << static_cast<int>(kind);
  }
  EXPECT_EQ(category_of(FaultKind::none), FaultCategory::none);
  EXPECT_EQ(category_of(FaultKind::no_pages), FaultCategory::request);
  EXPECT_EQ(category_of(FaultKind::stale_handle), FaultCategory::pointer);
  EXPECT_EQ(category_of(FaultKind::pinned), FaultCategory::state);
  EXPECT_EQ(category_of(FaultKind::bad_image), FaultCategory::sharing);
}

TEST(ARule, HasANameAndTellsWhichPartWasOverwritten) {
  for (int i = 1; i <= static_cast<int>(Rule::sentinel); ++i)
    EXPECT_STRNE(name_of(static_cast<Rule>(i)), "") << i;
  EXPECT_EQ(damaged_part(Rule::magic), DamagedPart::front);
  EXPECT_EQ(damaged_part(Rule::record), DamagedPart::front);
  EXPECT_EQ(damaged_part(Rule::redzone), DamagedPart::back);
  for (const Rule rule : {Rule::none, Rule::head, Rule::listed, Rule::counters, Rule::fill})
    EXPECT_EQ(damaged_part(rule), DamagedPart::other) << name_of(rule);
}

// --- The cause of a shortage. ------------------------------------------------------------------

TEST(Shortage, HasACause) {
  const auto cause = [](Size requested, const Shortage& s) {
    return cause_of(shortage(requested, s));
  };
  // One piece would serve, if it were as large as all of them together.
  EXPECT_EQ(cause(100, {144, 48, 3}), ShortageCause::fragmentation);
  EXPECT_EQ(cause(144, {144, 48, 3}), ShortageCause::fragmentation);
  EXPECT_EQ(cause(100, {144, 48, 3, 64}), ShortageCause::fragmentation);
  // All pieces together would not serve.
  EXPECT_EQ(cause(145, {144, 48, 3}), ShortageCause::memory);
  EXPECT_EQ(cause(1, {0, 0, 0}), ShortageCause::memory);
  EXPECT_EQ(cause(0, {0, 0, 1}), ShortageCause::memory);
  EXPECT_EQ(cause(0, {0, 0, 0, 64}), ShortageCause::memory);
  // One is large enough.
  EXPECT_EQ(cause(900, {992, 992, 1, 256}), ShortageCause::alignment);
  EXPECT_EQ(cause(900, {992, 992, 1}), ShortageCause::batch);
}

TEST(Shortage, HasAnIndexOfFragmentation) {
  EXPECT_DOUBLE_EQ(fragmentation_index(100, 144, 3), 1 - (1 + 1.44) / 3);
  EXPECT_EQ(fragmentation_index(100, 0, 0), 0);
  EXPECT_EQ(fragmentation_index(0, 100, 3), 0);
  EXPECT_EQ(fragmentation_index(10, 100, 3), 0);
}

}  // namespace
}  // namespace glassheap
