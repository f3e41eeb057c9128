#include "base/fork_list.hpp"

#include <utility>

#include "base/lock.hpp"

namespace glassheap {

std::mutex& ForkListed::mutex() noexcept {
  static constinit std::mutex instance;  // its destructor does nothing: heaps may outlive statics
  return instance;
}

// All of the process.
ForkListed*& ForkListed::head() noexcept {
  static ForkListed* first = nullptr;
  return first;
}

void ForkListed::expect_forks() noexcept { static_cast<void>(fork_count()); }

void ForkListed::enlist() noexcept {
  listed_ = true;
  prev_ = nullptr;
  next_ = head();
  if (next_ != nullptr) next_->prev_ = this;
  head() = this;
}

void ForkListed::delist() noexcept {
  if (!std::exchange(listed_, false)) return;
  (prev_ != nullptr ? prev_->next_ : head()) = next_;
  if (next_ != nullptr) next_->prev_ = prev_;
}

void ForkListed::let_go_in_child() noexcept {
  for (ForkListed* one = std::exchange(head(), nullptr); one != nullptr; one = one->next_) {
    one->listed_ = false;
    one->let_go();
  }
}

}  // namespace glassheap
