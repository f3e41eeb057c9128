#include "base/claim.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <utility>

#include "base/lock.hpp"

namespace glassheap {
namespace {

struct Claimed {
  Address end = 0;  // of the longest of its claims
  bool shared = false;
  std::size_t claims = 0;
};

// By first byte. No two overlap.
class ClaimTable {
 public:
  static ClaimTable& instance() {
    static auto* const table = new ClaimTable;  // never destroyed: heaps may outlive statics
    return *table;
  }

  bool add(Address first, Address end, ClaimKind kind, Fault& fault) {
    const Guard guard(lock_);
    const auto other = first_overlap(first, end);
    if (other != claimed_.end() && !joins(*other, first, end, kind)) {
      fault = {.kind = FaultKind::region_in_use,
               .address = other->first,
               .maximum = other->second.end - other->first};
      return false;
    }
    Claimed& claim = claimed_[first];
    claim.end = std::max(claim.end, end);
    claim.shared = kind != ClaimKind::own_heap;
    ++claim.claims;
    return true;
  }

  void drop(Address first) noexcept {
    const Guard guard(lock_);
    const auto claim = claimed_.find(first);
    if (--claim->second.claims == 0) claimed_.erase(claim);
  }

 private:
  using Claims = std::map<Address, Claimed>;

  [[nodiscard]] Claims::const_iterator first_overlap(Address first, Address end) const {
    auto claim = claimed_.upper_bound(first);
    if (claim != claimed_.begin() && std::prev(claim)->second.end > first) --claim;
    return claim != claimed_.end() && claim->first < end ? claim : claimed_.end();
  }

  // Returns true if the bytes are those of `other` alone, which is a segment to be attached to.
  [[nodiscard]] bool joins(const Claims::value_type& other, Address first, Address end,
                           ClaimKind kind) const {
    const auto next = claimed_.upper_bound(first);
    return kind == ClaimKind::attachment && other.second.shared && other.first == first &&
           (next == claimed_.end() || next->first >= end);
  }

  Lock lock_{true};
  Claims claimed_;
};

struct Claim {
  explicit Claim(std::shared_ptr<void> held) noexcept : keeper(std::move(held)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() {
    if (first != 0) ClaimTable::instance().drop(first);
  }

  std::shared_ptr<void> keeper;  // goes behind the claim, outside the lock: it may run any code
  Address first = 0;             // 0: nothing is claimed
};

}  // namespace

std::shared_ptr<void> claim_bytes(std::span<const std::byte> bytes, ClaimKind kind,
                                  std::shared_ptr<void> keeper, Fault& fault) {
  const auto claim = std::make_shared<Claim>(std::move(keeper));
  const auto first = std::bit_cast<Address>(bytes.data());
  if (!ClaimTable::instance().add(first, first + bytes.size(), kind, fault)) return nullptr;
  claim->first = first;
  return claim;
}

}  // namespace glassheap
