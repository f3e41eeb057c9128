// zeroed_array.hpp: zeroed arrays outside the region, for a heap's own data.
//
// A page takes no memory before the first write to it: the arrays of a region of gigabytes cost
// nothing until it has blocks. Large arrays have their own pages, from mmap; giving the pages back
// makes them zero again. Small arrays come from calloc.
//
// An array can also be borrowed: a shared heap keeps its arrays in the shared memory, one after the
// other, in an order that the policy and the region's size determine. So each process finds them.
//
//     | array | array ............ | array |          borrowed: each starts at a multiple of 64
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace glassheap {

// Releases an array: unmaps it if it has its own pages, `mapped_bytes` of them; frees it if that is
// 0; leaves it alone if it is borrowed.
struct ArrayDeleter {
  std::size_t mapped_bytes = 0;
  bool borrowed = false;
  void operator()(void* memory) const noexcept;
};

// An array of trivial items.
template <typename Item>
using ZeroedArray = std::unique_ptr<Item[], ArrayDeleter>;

[[nodiscard]] void* allocate_zeroed(std::size_t bytes, std::size_t& mapped_bytes) noexcept;
void reset_to_zero(void* memory, std::size_t bytes, const ArrayDeleter& deleter) noexcept;

// An array of `count` zeros; null if and only if there is no memory.
template <typename Item>
[[nodiscard]] ZeroedArray<Item> make_zeroed(std::size_t count) noexcept {
  ArrayDeleter deleter;
  auto* const memory =
      static_cast<Item*>(allocate_zeroed(count * sizeof(Item), deleter.mapped_bytes));
  return ZeroedArray<Item>(memory, deleter);
}

// Sets all `count` items to zero; they take no more memory than a new array.
template <typename Item>
void clear(ZeroedArray<Item>& array, std::size_t count) noexcept {
  reset_to_zero(array.get(), count * sizeof(Item), array.get_deleter());
}

// The source of one heap's arrays.
class ArrayArena {
 public:
  ArrayArena() = default;  // each array has its own memory
  explicit ArrayArena(std::span<std::byte> borrowed) noexcept
      : next_(borrowed.data()), left_(borrowed.size()), shared_(true) {}

  // An arena that measures how many bytes the arrays of a shared heap take: here they have their
  // own memory, and are never touched.
  [[nodiscard]] static ArrayArena to_measure() noexcept {
    ArrayArena arena;
    arena.shared_ = true;
    return arena;
  }

  [[nodiscard]] bool is_borrowed() const noexcept { return next_ != nullptr; }
  // True if every array that may ever be needed is taken at the start.
  [[nodiscard]] bool is_shared() const noexcept { return shared_; }
  // Bytes taken so far, or that would have been taken from a span.
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

  // An array of `count` items: zeros, or the existing contents if it is borrowed. Throws
  // std::bad_alloc if there is no memory.
  template <typename Item>
  [[nodiscard]] ZeroedArray<Item> take(std::size_t count) {
    const std::size_t bytes = (count * sizeof(Item) + 63) / 64 * 64;
    taken_ += bytes;
    ZeroedArray<Item> array = is_borrowed() ? borrow<Item>(bytes) : make_zeroed<Item>(count);
    if (array == nullptr) throw std::bad_alloc();
    return array;
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
