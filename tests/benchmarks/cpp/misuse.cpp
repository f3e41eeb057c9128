// misuse.cpp: commits one misuse of an allocator, and then continues like a correct program.
//
//     glassheap-misuse malloc m0=100 f0 f0         the malloc of the process
//     glassheap-misuse glassheap m0=100 f0 f0      a heap with the default checks
//     glassheap-misuse debug m0=100 f0 f0          a heap with Checks::debug
//
// misuse.py has the list. A word is a call or a write, on one of the blocks 0 to 3:
//
//     mN=SIZE        N is a new block
//     oN=SIZE        N is a new block with an owner, who writes all of it, and reads it later
//     cN=COUNT       N is a new block, by calloc, of so many times 16 bytes
//     aN=ALIGNMENT   N is a new block so aligned
//     vN             N is a variable
//     fN+AT          free of the address so many bytes into N
//     rN+AT=SIZE     realloc
//     wN+AT=SIZE     a write of so many bytes from there; of size 0, one without an end
//     hN+AT          a write of the 16 bytes in front of block 0, which may be its header
//
// Each line on stdout is a stage that the program has reached:
//
//     misuse        before the fault
//     refused       the call was refused; the program ends here
//     raises FAULT  glassheap has reported the fault; the program ends here
//     later         the fault was not reported; the program continues to use the heap
//     shared        two live blocks overlap; the program ends here
//     lost          the bytes of a block have changed; the program ends here
//     finds FAULT   the check at the end has found the fault; the program ends here
//     done          nothing of the kind was found
//
// The allocator or the system may end the process at any stage: the parent sees the signal and the
// last line.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "glassheap/heap.hpp"

namespace {

using byte = unsigned char;

void say(const std::string& stage) {
  std::puts(stage.c_str());
  std::fflush(stdout);
}

[[noreturn]] void end_with(const std::string& stage) {
  say(stage);
  std::_Exit(0);
}

// --- The allocator. ----------------------------------------------------------------------------

std::unique_ptr<glassheap::Heap> heap;  // null: the malloc of the process
glassheap::Fault fault;

void open(const std::string& allocator) {
  if (allocator == "malloc") return;
  glassheap::Options options;
  options.size = 1 << 20;
  if (allocator == "debug") options.checks = glassheap::Checks::debug;
  heap = glassheap::Heap::open(options, fault);
}

[[noreturn]] void refuse() {
  end_with(heap ? std::string("raises ") + glassheap::name_of(fault.kind) : "refused");
}

template <typename Pointer>  // an address, or void*
byte* served(Pointer block) {
  if (!block) refuse();
  return std::bit_cast<byte*>(block);
}

glassheap::Address address_of(const byte* block) {
  return std::bit_cast<glassheap::Address>(block);
}

byte* allocate(std::size_t size) {
  return heap ? served(heap->malloc(size, 16, fault)) : served(std::malloc(size));
}

byte* allocate_zeroed(std::size_t count) {
  return heap ? served(heap->calloc(count, 16, fault)) : served(std::calloc(count, 16));
}

byte* allocate_aligned(std::size_t alignment) {
  if (heap) return served(heap->malloc(100, alignment, fault));
  void* block = nullptr;
  return served(posix_memalign(&block, alignment, 100) == 0 ? block : nullptr);
}

void reallocate(byte* block, std::size_t size) {
  heap ? served(heap->realloc(address_of(block), size, 16, fault))
       : served(std::realloc(block, size));
}

void release(byte* block) {
  if (!heap) return std::free(block);
  if (!heap->free(address_of(block), fault)) refuse();
}

// --- Blocks with owners. -----------------------------------------------------------------------

struct Block {
  byte* at = nullptr;
  std::size_t size = 0;
  std::size_t written = 0;  // the bytes that still have the value that the owner wrote; 0: no owner
};

constexpr std::size_t witnesses = 8, in_words = 4, later_blocks = 512;
Block blocks[witnesses + in_words + later_blocks];
Block* const of_words = blocks + witnesses;
bool bytes_were_lost = false;

byte value_of(const Block& block) { return static_cast<byte>(0x21 + (&block - blocks)); }

void own(Block& block, std::size_t size) {
  block = {allocate(size), size, size};
  std::memset(block.at, value_of(block), size);
}

bool is_lost(const Block& block) {
  const auto is_other = [&](byte each) { return each != value_of(block); };
  return std::any_of(block.at, block.at + block.written, is_other);
}

void release(Block& block, long at) {
  if (at == 0) {
    bytes_were_lost |= is_lost(block);
    block.written = 0;
  }
  release(block.at + at);
}

void write(volatile byte* at, std::size_t size) {
  for (std::size_t i = 0; size == 0 || i < size; ++i) at[i] = 0xAA;
}

void write_header(Block& block, long at) {
  std::memcpy(block.at + at, of_words[0].at - 16, 16);
  block.written = std::min(block.written, static_cast<std::size_t>(at));
}

bool is_shared(const Block& block) {
  return std::ranges::any_of(blocks, [&](const Block& other) {
    return &other != &block && other.written != 0 && other.at < block.at + block.size &&
           block.at < other.at + other.size;
  });
}

// --- The program. ------------------------------------------------------------------------------

// Allocates blocks, uses them, and frees them, as a correct program does.
void go_on() {
  if (bytes_were_lost) end_with("lost");
  say("later");
  const std::size_t sizes[] = {100, 24, 2000, 300};
  for (std::size_t i = 0; i < later_blocks; ++i) own(of_words[in_words + i], sizes[i % 4]);
  const auto owned = [](const Block& block) { return block.written != 0; };
  if (std::ranges::any_of(blocks, [&](auto& it) { return owned(it) && is_shared(it); }))
    end_with("shared");
  if (std::ranges::any_of(blocks, is_lost)) end_with("lost");
  for (Block& block : blocks)
    if (owned(block)) release(block.at);
  if (heap) {
    for (const auto& finding : heap->check(fault))
      end_with(std::string("finds ") + glassheap::name_of(finding.fault.kind));
  }
  say("done");
}

void perform(const char* word) {
  alignas(16) static byte variable[256];
  char* end = nullptr;
  Block& block = of_words[word[1] - '0'];
  const long at = std::strtol(word + 2, &end, 10);
  const std::size_t size = *end == '=' ? std::strtoull(end + 1, nullptr, 10) : 0;
  const char call = word[0];
  if (call == 'm') block = {allocate(size)};
  if (call == 'o') own(block, size);
  if (call == 'c') block = {allocate_zeroed(size)};
  if (call == 'a') block = {allocate_aligned(size)};
  if (call == 'v') block = {variable + 64};
  if (call == 'f') release(block, at);
  if (call == 'r') reallocate(block.at + at, size);
  if (call == 'w') write(block.at + at, size);
  if (call == 'h') write_header(block, at);
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  open(words[1]);
  for (std::size_t i = 0; i < witnesses; ++i) own(blocks[i], 100);
  say("misuse");
  std::for_each(words + 2, words + count, perform);
  go_on();
}
