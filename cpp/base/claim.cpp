#include "base/claim.hpp"

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>
#include <vector>

namespace glassheap {
namespace {

struct Range {
  explicit Range(std::span<const std::byte> bytes) noexcept
      : first(std::bit_cast<Address>(bytes.data())), end(first + bytes.size()) {}
  [[nodiscard]] bool overlaps(const Range& other) const noexcept {
    return first < other.end && other.first < end;
  }
  [[nodiscard]] bool contains(const Range& other) const noexcept {
    return first <= other.first && other.end <= end;
  }

  Address first;
  Address end;
};

struct Claimed {
  Range range;  // of the longest of its claims
  bool shared;
  std::uint64_t number;
  std::size_t claims = 1;
};

class ClaimTable {
 public:
  static ClaimTable& instance() {
    static auto* const table = new ClaimTable;  // never destroyed: heaps may outlive statics
    return *table;
  }

  // Returns the number of the claim, which attachments to one segment share; 0 if it is refused.
  std::uint64_t add(const Range& range, ClaimKind kind, const Range& outer, Fault& fault) {
    const std::lock_guard guard(mutex_);
    Claimed* joined = nullptr;
    for (Claimed& other : claimed_) {
      if (!other.range.overlaps(range) || is_around(other, outer)) continue;
      if (!joins(other, range, kind)) return refuse(other.range, fault);
      joined = &other;
    }
    if (joined == nullptr) {
      claimed_.push_back({range, kind != ClaimKind::own_heap, last_number_ + 1});
      return ++last_number_;
    }
    joined->range.end = std::max(joined->range.end, range.end);
    ++joined->claims;
    return joined->number;
  }

  void drop(std::uint64_t number) noexcept {
    const std::lock_guard guard(mutex_);
    const auto claim = std::ranges::find(claimed_, number, &Claimed::number);
    if (--claim->claims == 0) claimed_.erase(claim);
  }

 private:
  // Returns true for the claim of the heap with the region `outer`, and for those around that.
  [[nodiscard]] static bool is_around(const Claimed& other, const Range& outer) noexcept {
    return outer.first != outer.end && other.range.contains(outer);
  }
  [[nodiscard]] static bool joins(const Claimed& other, const Range& range,
                                  ClaimKind kind) noexcept {
    return kind == ClaimKind::attachment && other.shared && other.range.first == range.first;
  }
  static std::uint64_t refuse(const Range& other, Fault& fault) noexcept {
    fault = {.kind = FaultKind::region_in_use,
             .address = other.first,
             .maximum = other.end - other.first};
    return 0;
  }

  // A child gets the mutex unlocked, even if another thread of its parent was inside.
  ClaimTable() {
    pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                   [] { instance().mutex_.unlock(); });
  }

  std::mutex mutex_;
  std::vector<Claimed> claimed_;
  std::uint64_t last_number_ = 0;
};

struct Claim {
  explicit Claim(std::shared_ptr<void> held) noexcept : keeper(std::move(held)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (number != 0) ClaimTable::instance().drop(number);
  }

  std::shared_ptr<void> keeper;  // goes behind the claim, outside the lock: it may run any code
  std::uint64_t number = 0;      // 0: nothing is claimed
};

}  // namespace

std::shared_ptr<void> claim_bytes(std::span<const std::byte> bytes, ClaimKind kind,
                                  std::shared_ptr<void> keeper, Fault& fault,
                                  std::span<const std::byte> outer) {
  const auto claim = std::make_shared<Claim>(std::move(keeper));
  claim->number = ClaimTable::instance().add(Range(bytes), kind, Range(outer), fault);
  return claim->number != 0 ? claim : nullptr;
}

}  // namespace glassheap
