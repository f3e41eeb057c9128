// window_sum.hpp: the sum of numbers in a window that moves over them, in O(1) a step.
//
//     | ... gone ... | suffixes ...... | one sum ..... | ... to come ... |
//                    first             middle          end
//
// Nothing is subtracted, so that no rounding stays behind when a large number leaves, and infinity
// may come and go: behind `middle` the numbers are added up from the left, and in front of it each
// place has the sum from there to `middle`. When the window begins at `middle`, all of it gets such
// sums anew; each number is added up twice.
#pragma once

#include <cstddef>
#include <vector>

namespace glassheap {

template <typename NumberAt>
class WindowSum {
 public:
  // `number_at` gives the number at an index below `count`.
  WindowSum(std::size_t count, NumberAt number_at) : suffixes_(count), number_at_(number_at) {}

  [[nodiscard]] std::size_t first() const noexcept { return first_; }
  [[nodiscard]] std::size_t end() const noexcept { return end_; }
  [[nodiscard]] double sum() const noexcept {
    return first_ < middle_ ? suffixes_[first_] + rest_ : rest_;
  }

  void move_end() { rest_ += number_at_(end_++); }
  // The window is not empty.
  void move_first() {
    if (first_ == middle_) turn();
    ++first_;
  }

 private:
  void turn() {
    double sum = 0;
    for (std::size_t i = end_; i > first_; --i) suffixes_[i - 1] = sum += number_at_(i - 1);
    middle_ = end_;
    rest_ = 0;
  }

  std::vector<double> suffixes_;
  NumberAt number_at_;
  std::size_t first_ = 0;
  std::size_t middle_ = 0;
  std::size_t end_ = 0;
  double rest_ = 0;
};

}  // namespace glassheap
