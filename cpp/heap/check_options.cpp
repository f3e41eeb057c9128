#include "heap/check_options.hpp"

#include "core/policy_list.hpp"

namespace glassheap {
namespace {

// The first option of sequential_fit's that another policy is given: 0 fit, 1 order, 2 coalesce.
std::optional<std::uint64_t> unwanted_option(const Options& options) noexcept {
  if (takes_sequence(options.policy)) return std::nullopt;
  if (options.fit) return 0;
  if (options.order) return 1;
  if (options.coalesce) return 2;
  return std::nullopt;
}

}  // namespace

bool check_options(const Options& options, Fault& fault) noexcept {
  const Address base = options.base.value_or(0);
  if (options.size < options.least_size() || options.size > largest_region) {
    fault = {.kind = FaultKind::invalid_size,
             .least = options.least_size(),
             .expected = largest_region,
             .found = options.size};
  } else if (base % granule_size != 0 || base + largest_region < base) {
    fault = {.kind = FaultKind::invalid_base, .found = base};
  } else if (!is_policy(options.policy)) {
    fault = {.kind = FaultKind::unknown_policy};
  } else if (const auto option = unwanted_option(options)) {
    fault = {.kind = FaultKind::unwanted_option, .found = *option};
  }
  return !fault;
}

}  // namespace glassheap
