#include "heap/check_options.hpp"

#include "core/policy_list.hpp"

namespace glassheap {
namespace {

// The first option that is given and that the other options rule out; null if there is none. Some
// are taken by sequential_fit alone.
const char* unwanted_option(const Options& options) noexcept {
  if (options.quarantine != 0 && options.checks != Checks::debug) return "quarantine";
  if (options.thread_cache && (options.zero_on_free || options.checks == Checks::debug))
    return "thread_cache";
  if (takes_sequence(options.policy)) return nullptr;
  if (options.fit) return "fit";
  if (options.order) return "order";
  return options.coalesce ? "coalesce" : nullptr;
}

}  // namespace

bool check_options(const Options& options, Fault& fault) noexcept {
  const Address base = options.base.value_or(0);
  if (options.size < options.least_size() || options.size > largest_region) {
    fault = {.kind = FaultKind::invalid_size,
             .minimum = static_cast<std::uint16_t>(options.least_size()),
             .argument = options.size,
             .maximum = largest_region};
  } else if (base % granule_size != 0 || base + largest_region < base) {
    fault = {.kind = FaultKind::invalid_base, .argument = base};
  } else if (!is_policy(options.policy)) {
    fault = {.kind = FaultKind::unknown_policy};
  } else if (const char* const option = unwanted_option(options)) {
    fault = {.kind = FaultKind::unwanted_option, .field = option};
  }
  return !fault;
}

bool check_sharing(const Options& options, Fault& fault) noexcept {
  if (options.quarantine != 0) fault = {.kind = FaultKind::unwanted_option, .field = "quarantine"};
  if (options.thread_cache) fault = {.kind = FaultKind::unwanted_option, .field = "thread_cache"};
  return !fault && check_borrowing(options, fault);
}

bool check_borrowing(const Options& options, Fault& fault) noexcept {
  if (options.huge_pages) fault = {.kind = FaultKind::unwanted_option, .field = "huge_pages"};
  return !fault;
}

}  // namespace glassheap
