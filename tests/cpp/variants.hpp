// variants.hpp: every kind of heap that can be opened, and its documented properties.
//
// A variant is a policy, a layout (with headers or without), and the policy's own settings. The
// properties that a contract depends on are written here from the documentation and not taken from
// the code: the extent of a block, where blocks may be split, and when free blocks coalesce.
#pragma once

#include <algorithm>
#include <bit>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "glassheap/heap.hpp"

namespace glassheap {

struct Variant {
  std::string name;
  Options options;
};

inline void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

[[nodiscard]] inline Options sized(Size size) {
  Options options;
  options.size = size;
  return options;
}
[[nodiscard]] inline Options based(Options options, std::optional<Address> base) {
  options.base = base;
  return options;
}

// --- Properties of a heap with these options. ---------------------------------------------------

[[nodiscard]] inline bool has_headers(const Options& options) { return options.headers; }

// True if a block may have any number of granules, and be split off anywhere in a free block.
[[nodiscard]] inline bool splits_anywhere(const Options& options) {
  return options.policy != "buddy";
}
// True if small freed blocks stay as they are, until a pass joins all free blocks that touch.
[[nodiscard]] inline bool defers_coalescing(const Options& options) {
  return options.policy == "quick_fit";
}
// True if no two free blocks are ever adjacent.
[[nodiscard]] inline bool coalesces_neighbours(const Options& options) {
  return splits_anywhere(options) && !defers_coalescing(options) &&
         options.coalesce.value_or(true) &&
         options.order.value_or(Order::address) == Order::address;
}
// True if a heap whose blocks have all been freed is as it was when fresh.
[[nodiscard]] inline bool coalesces_fully(const Options& options) {
  return coalesces_neighbours(options) || !splits_anywhere(options);
}
// True if the model knows which block a request gets, and the order of the free list. The other
// policies choose by rules of their own.
[[nodiscard]] inline bool is_modelled(const Options& options) {
  constexpr std::string_view names[] = {"first_fit", "next_fit", "best_fit", "worst_fit",
                                        "sequential_fit"};
  return std::ranges::find(names, options.policy) != std::end(names);
}
// True if the model has the free list in address order.
[[nodiscard]] inline bool lists_by_address(const Options& options) {
  return is_modelled(options) && options.order.value_or(Order::address) == Order::address;
}

// True if redzones and the fill of free memory are checked.
[[nodiscard]] inline bool has_debug_checks(const Options& options) {
  return options.checks == Checks::debug;
}

[[nodiscard]] inline Size front_of(const Options& options) { return options.headers ? 16 : 0; }
[[nodiscard]] inline Size back_of(const Options& options) {
  return has_debug_checks(options) ? 16 : 0;
}
// The payload size that a free block of `extent` bytes offers.
[[nodiscard]] inline Size offered_size(const Options& options, Size extent) {
  return extent - std::min(extent, front_of(options) + back_of(options));
}

// The extent of a block for `size` bytes: header, payload, rounding and redzone.
[[nodiscard]] inline Size extent_of(const Options& options, Size size) {
  const Size around = front_of(options) + back_of(options);
  const Size exact = std::max(around + (size + 15) / 16 * 16, Size{16});
  return splits_anywhere(options) ? exact : std::bit_ceil(exact);
}
// The size that walk() reports for a live block: the requested size; the extent if the layout
// stores none.
[[nodiscard]] inline Size reported_size(const Options& options, Size size) {
  return options.headers || has_debug_checks(options) ? size : extent_of(options, size);
}
// The number of bytes that the blocks cover.
[[nodiscard]] inline Size usable_region(const Options& options) {
  const Size rounded = (options.size + 15) / 16 * 16;
  return !options.headers && options.base == Address{0} ? rounded - 16 : rounded;
}

// --- The variants. ------------------------------------------------------------------------------

namespace variants_of {

[[nodiscard]] inline const char* name(Fit fit) {
  return fit == Fit::first ? "first" : fit == Fit::best ? "best" : "worst";
}
[[nodiscard]] inline const char* name(Order order) {
  constexpr const char* names[] = {"address", "size_up", "size_down", "front", "back"};
  return names[static_cast<std::size_t>(order)];
}

[[nodiscard]] inline Variant policy(std::string_view policy) {
  Variant variant{std::string(policy), {}};
  variant.options.policy = policy;
  return variant;
}
[[nodiscard]] inline Variant sequential_fit(Fit fit, Order order, bool coalesce) {
  Variant variant = policy("sequential_fit");
  variant.name += std::string("_") + name(fit) + "_" + name(order);
  if (!coalesce) variant.name += "_uncoalesced";
  variant.options.fit = fit;
  variant.options.order = order;
  variant.options.coalesce = coalesce;
  return variant;
}

// Adds a variant with headers, and the same one without.
inline void add(std::vector<Variant>& list, Variant variant) {
  list.push_back(variant);
  variant.name += "_headerless";
  variant.options.headers = false;
  list.push_back(variant);
}

}  // namespace variants_of

// Every policy with its default settings, and three more settings of sequential_fit, which has 30.
[[nodiscard]] inline std::vector<Variant> all_variants() {
  using namespace variants_of;
  std::vector<Variant> all;
  for (const std::string_view name : policy_names()) add(all, policy(name));
  add(all, sequential_fit(Fit::best, Order::size_up, true));
  add(all, sequential_fit(Fit::worst, Order::back, true));
  add(all, sequential_fit(Fit::first, Order::front, false));
  return all;
}

// Every policy with debug checks.
[[nodiscard]] inline std::vector<Variant> debug_variants() {
  std::vector<Variant> all;
  for (const std::string_view name : policy_names()) {
    Variant variant = variants_of::policy(name);
    variant.name += "_debug";
    variant.options.checks = Checks::debug;
    variants_of::add(all, variant);
  }
  return all;
}

// Every policy with a cache for each thread.
[[nodiscard]] inline std::vector<Variant> cached_variants() {
  std::vector<Variant> all;
  for (const std::string_view name : policy_names())
    variants_of::add(all, variants_of::policy(name));
  for (Variant& variant : all) {
    variant.name += "_cached";
    variant.options.thread_cache = true;
  }
  return all;
}

// sequential_fit with all of its settings.
[[nodiscard]] inline std::vector<Variant> sequential_fit_variants() {
  using enum Order;
  std::vector<Variant> all;
  for (const Fit fit : {Fit::first, Fit::best, Fit::worst}) {
    for (const Order order : {address, size_up, size_down, front, back}) {
      for (const bool coalesce : {true, false})
        variants_of::add(all, variants_of::sequential_fit(fit, order, coalesce));
    }
  }
  return all;
}

// The variants whose options satisfy every predicate.
template <typename... Predicates>
[[nodiscard]] std::vector<Variant> variants(const Predicates&... holds) {
  std::vector<Variant> some = all_variants();
  std::erase_if(some, [&](const Variant& v) { return !(holds(v.options) && ... && true); });
  return some;
}

}  // namespace glassheap
