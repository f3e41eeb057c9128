#include "core/core_interface.hpp"

#include <algorithm>
#include <cstring>

namespace glassheap {
namespace {

constexpr std::size_t word = sizeof(std::uint64_t);

// Nearly all pieces are one word, which is copied in one step. Every call on a shared heap copies
// the state.
void copy(void* to, const void* from, std::size_t size) noexcept {
  if (size == word) [[likely]] {
    std::memcpy(to, from, word);
  } else {
    std::memcpy(to, from, size);
  }
}

}  // namespace

void CoreInterface::index_state() {
  StateFields list{};
  const std::size_t count = state_fields(list);
  for (StateField left : std::span(list).first(count)) {
    while (left.size > 0) {
      const std::size_t size = std::min(left.size, word);
      state_words_.push_back({left.at, size});
      left = {static_cast<std::byte*>(left.at) + size, left.size - size};
    }
  }
}

bool CoreInterface::load(const CoreState& state) noexcept {
  const std::byte* from = state.bytes.data();
  for (const StateField& piece : state_words_) {
    copy(piece.at, from, piece.size);
    from += word;
  }
  return confine_state();
}

void CoreInterface::store(CoreState& state) noexcept {
  std::byte* to = state.bytes.data();
  for (const StateField& piece : state_words_) {
    copy(to, piece.at, piece.size);
    to += word;
    crash_point();
  }
}

}  // namespace glassheap
