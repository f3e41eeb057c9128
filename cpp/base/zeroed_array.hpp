// zeros.hpp: memory outside the region, for what a heap knows of it.
//
// Zeroed memory that takes no page before it is written to: what is kept for a region of gigabytes
// costs nothing until blocks stand there. Large arrays have pages of their own, from mmap; to make
// those zero again is to give them back. Small ones are calloc's.
//
// Or it is lent: a heap that processes share keeps its arrays in what they share, one behind the
// other, in an order that its policy and the region's size decide. So each process finds them.
//
//     | array | array ............ | array |          lent; each begins at a multiple of 64
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace glassheap {

// How an array goes back: its bytes, if it has pages of its own, or 0; not at all, if it was lent.
struct ArrayDeleter {
  std::size_t mapped = 0;
  bool borrowed = false;
  void operator()(void* memory) const noexcept;
};

// An array of plain numbers.
template <typename Item>
using ZeroedArray = std::unique_ptr<Item[], ArrayDeleter>;

[[nodiscard]] void* allocate_zeroed(std::size_t bytes, std::size_t& mapped) noexcept;
void zero_again(void* memory, std::size_t bytes, const ArrayDeleter& how) noexcept;

// `count` zeros; null if and only if there is no memory.
template <typename Item>
[[nodiscard]] ZeroedArray<Item> make_zeroed(std::size_t count) noexcept {
  ArrayDeleter how;
  auto* const memory = static_cast<Item*>(allocate_zeroed(count * sizeof(Item), how.mapped));
  return ZeroedArray<Item>(memory, how);
}

// All `count` of them are zero again, and take no more memory than at first.
template <typename Item>
void clear(ZeroedArray<Item>& numbers, std::size_t count) noexcept {
  zero_again(numbers.get(), count * sizeof(Item), numbers.get_deleter());
}

// Where the arrays of one heap come from.
class ArrayArena {
 public:
  ArrayArena() = default;  // each has its own
  explicit ArrayArena(std::span<std::byte> borrowed) noexcept
      : next_(borrowed.data()), left_(borrowed.size()), shared_(true) {}

  // To find out how much an earlier or a later heap takes that is shared: its arrays have their own
  // memory, and are never touched.
  [[nodiscard]] static ArrayArena to_measure() noexcept {
    ArrayArena memory;
    memory.shared_ = true;
    return memory;
  }

  [[nodiscard]] bool is_borrowed() const noexcept { return next_ != nullptr; }
  // Whether all that may ever be needed is taken at first.
  [[nodiscard]] bool is_shared() const noexcept { return shared_; }
  // Bytes that have been taken, or would have been of a span.
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

  // `count` numbers: zeros, or, lent, what is there. Throws std::bad_alloc if there is no memory.
  template <typename Item>
  [[nodiscard]] ZeroedArray<Item> take(std::size_t count) {
    const std::size_t bytes = (count * sizeof(Item) + 63) / 64 * 64;
    taken_ += bytes;
    ZeroedArray<Item> numbers = is_borrowed() ? borrow<Item>(bytes) : make_zeroed<Item>(count);
    if (numbers == nullptr) throw std::bad_alloc();
    return numbers;
  }

 private:
  template <typename Item>
  [[nodiscard]] ZeroedArray<Item> borrow(std::size_t bytes) noexcept {
    if (bytes > left_) return nullptr;
    auto* const first = reinterpret_cast<Item*>(next_);
    next_ += bytes;
    left_ -= bytes;
    return ZeroedArray<Item>(first, ArrayDeleter{0, true});
  }

  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
  std::size_t taken_ = 0;
  bool shared_ = false;
};

}  // namespace glassheap
