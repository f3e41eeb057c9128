// core_state.hpp: CoreState, the state that the core of a shared heap keeps outside its arrays and
// counters; StateWriter and StateReader, which copy it to and from the segment.
//
//     | top | live | free | policy's ends, root or bins ...... | serial | unused ...... |
//     0     8      16     24                                                            512
//
// Each field starts at a word of its own. Every call on a shared heap writes all fields, so the
// copies are unrolled: two instructions a word. A word is stored atomically, so that the
// compiler does not copy two at once: a wide load of two words that the call has just written one by
// one would wait for both stores.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/config.hpp"

namespace glassheap {

struct CoreState {
  std::array<std::uint64_t, 64> words{};
};

// The words of a field, the last of which may be used in part.
template <typename Field>
inline constexpr std::size_t state_words =
    (sizeof(Field) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);

// The bytes of a field in its word number `i`.
template <typename Field>
[[nodiscard]] constexpr std::size_t state_bytes_in(std::size_t i) noexcept {
  constexpr std::size_t word = sizeof(std::uint64_t);
  return sizeof(Field) - i * word < word ? sizeof(Field) - i * word : word;
}

// Called with each field in turn: writes it.
class StateWriter {
 public:
  explicit StateWriter(CoreState& state) noexcept : next_(state.words.data()) {}

  template <typename Field>
  [[gnu::always_inline]] void operator()(const Field& field) noexcept {
    [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
      (write(&field, i, state_bytes_in<Field>(i)), ...);
    }(std::make_index_sequence<state_words<Field>>());
  }

 private:
  [[gnu::always_inline]] void write(const void* field, std::size_t i, std::size_t bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, static_cast<const std::byte*>(field) + i * sizeof word, bytes);
    std::atomic_ref(*next_++).store(word, std::memory_order_relaxed);
    crash_point();
  }

  std::uint64_t* next_;
};

// Called with each field in the same order: reads it. Each word is read once: another program may
// write there.
class StateReader {
 public:
  explicit StateReader(const CoreState& state) noexcept : next_(state.words.data()) {}

  template <typename Field>
  void operator()(Field& field) noexcept {
    for (std::size_t i = 0; i < state_words<Field>; ++i) {
      const std::uint64_t word = *next_++;
      std::byte* const to = reinterpret_cast<std::byte*>(&field) + i * sizeof word;
      std::memcpy(to, &word, state_bytes_in<Field>(i));
    }
  }

 private:
  const volatile std::uint64_t* next_;
};

}  // namespace glassheap
