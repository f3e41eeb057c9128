#include "base/waiting.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace glassheap {
namespace {

std::atomic<const NapHook*> nap_hook{nullptr};

}  // namespace

void set_nap_hook(const NapHook* hook) noexcept { nap_hook.store(hook); }

Wait::Wait(double seconds, WaitMode mode) noexcept : mode_(mode) {
  constexpr double longest = 1e9;  // about thirty years
  const std::chrono::duration<double> time(std::clamp(seconds, 0.0, longest));
  until_ = Clock::now() + std::chrono::duration_cast<Duration>(time);
}

// Each nap is twice as long as the one before it. 0 or less when the time is over.
Wait::Duration Wait::next_length() noexcept {
  const Duration length = length_;
  length_ = std::min(2 * length_, longest_nap);
  return std::min(length, left());
}

Wait::Duration Wait::left() const noexcept {
  return until_ == Clock::time_point::max() ? Duration::max() : Duration(until_ - Clock::now());
}

FaultKind Wait::nap() noexcept {
  return nap([](Duration length) { std::this_thread::sleep_for(length); });
}

void Wait::before_nap() noexcept {
  hook_ = mode_ == WaitMode::without_hook ? nullptr : nap_hook.load();
  if (hook_ != nullptr) from_before_ = hook_->before();
}

bool Wait::after_nap() const noexcept {
  return hook_ == nullptr || hook_->after(from_before_, mode_ == WaitMode::interruptible);
}

}  // namespace glassheap
