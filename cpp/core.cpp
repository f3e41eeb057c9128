#include "glassheap/core.hpp"

#include <cstring>

namespace glassheap {

void Core::load(const CoreState& state) noexcept {
  Numbers list{};
  const std::size_t count = numbers(list);
  const std::byte* from = state.bytes.data();
  for (std::size_t i = 0; i < count; from += list[i++].size)
    std::memcpy(list[i].at, from, list[i].size);
}

void Core::store(CoreState& state) noexcept {
  Numbers list{};
  const std::size_t count = numbers(list);
  std::byte* to = state.bytes.data();
  for (std::size_t i = 0; i < count; to += list[i++].size) {
    std::memcpy(to, list[i].at, list[i].size);
    crash_point();
  }
}

}  // namespace glassheap
