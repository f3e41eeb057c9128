#include "heap/check_options.hpp"

#include "core/policy_list.hpp"
#include "heap/addressing.hpp"

namespace glassheap {
namespace {

// The first option that is given, and is about bytes or about granules in a heap that has none of
// these; null if there is none.
const char* option_of_other_heaps(const Options& options) noexcept {
  if (!options.granule) return options.align ? "align" : nullptr;
  if (options.checks == Checks::debug) return "checks";
  if (options.zero_on_free) return "zero_on_free";
  if (options.base) return "base";
  return options.huge_pages ? "huge_pages" : nullptr;
}

// The first option that is given and that the other options rule out; null if there is none. Some
// are taken by sequential_fit alone.
const char* unwanted_option(const Options& options) noexcept {
  if (const char* const other = option_of_other_heaps(options)) return other;
  if (options.quarantine != 0 && options.checks != Checks::debug) return "quarantine";
  if (options.thread_cache &&
      (options.zero_on_free || options.checks == Checks::debug || options.record))
    return "thread_cache";
  if (takes_sequence(options.policy)) return nullptr;
  if (options.fit) return "fit";
  if (options.order) return "order";
  return options.coalesce ? "coalesce" : nullptr;
}

constexpr Size largest_size = Size{1} << 63;  // of an offset heap
constexpr Size most_granules = largest_region / granule_size;

// The largest size of a heap with these options.
Size largest_for(const Options& options) noexcept {
  if (!options.granule) return largest_region;
  const bool by_size = *options.granule > largest_size / most_granules;
  return by_size ? largest_size : most_granules * *options.granule;
}

bool check_size(const Options& options, Fault& fault) noexcept {
  const Units units = units_of(options);
  const Size least = options.least_size();
  const Size largest = largest_for(options);
  const Size size = options.granule ? round_down(options.size, units.granule()) : options.size;
  if (size >= least && size <= largest && options.size <= largest_size) return true;
  fault = {.kind = FaultKind::invalid_size,
           .minimum = static_cast<std::uint8_t>(least / units.granule()),
           .granule_bits = units.bits(),
           .argument = options.size,
           .maximum = largest,
           .field = options.granule && largest < largest_size ? "granule" : nullptr};
  return false;
}

bool check_granule(const Options& options, Fault& fault) noexcept {
  const Size granule = options.granule.value_or(granule_size);
  if (is_power_of_two(granule) && granule <= largest_granule) return true;
  fault = {.kind = FaultKind::invalid_granule, .argument = granule};
  return false;
}

// Options::align must be one that the heap serves.
bool check_default_align(const Options& options, Fault& fault) noexcept {
  if (!options.align) return true;
  const Units units = units_of(options);
  const Size limit = units.to_caller(Addressing::largest_align(core_size(options)));
  if (is_power_of_two(*options.align) && *options.align <= limit) return true;
  fault = {.kind = FaultKind::invalid_alignment,
           .granule_bits = units.bits(),
           .argument = *options.align,
           .maximum = limit,
           .expected = limit};
  return false;
}

}  // namespace

bool check_options(const Options& options, Fault& fault) noexcept {
  const Address base = options.base.value_or(0);
  if (!check_granule(options, fault) || !check_size(options, fault)) return false;
  if (base % granule_size != 0 || base + largest_region < base) {
    fault = {.kind = FaultKind::invalid_base, .argument = base};
  } else if (!is_policy(options.policy)) {
    fault = {.kind = FaultKind::unknown_policy};
  } else if (const char* const option = unwanted_option(options)) {
    fault = {.kind = FaultKind::unwanted_option, .field = option};
  }
  return !fault && check_default_align(options, fault);
}

bool check_sharing(const Options& options, Fault& fault) noexcept {
  const char* option = options.huge_pages ? "huge_pages" : nullptr;
  if (options.align) option = "align";
  if (options.quarantine != 0) option = "quarantine";
  if (options.thread_cache) option = "thread_cache";
  if (option != nullptr) fault = {.kind = FaultKind::unwanted_option, .field = option};
  return option == nullptr;
}

bool check_borrowing(const Options& options, Fault& fault) noexcept {
  if (options.granule) fault = {.kind = FaultKind::unwanted_option, .field = "granule"};
  if (options.huge_pages) fault = {.kind = FaultKind::unwanted_option, .field = "huge_pages"};
  return !fault;
}

}  // namespace glassheap
