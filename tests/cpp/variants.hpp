// variants.hpp: every heap that can be asked for, and what may be expected of it.
//
// A variant is a policy, a layout (with headers or bare), and what the policy can be told beside.
// What a contract has to know of it is said here, in the words of the documentation and not of the
// code: how long blocks are, where they may be cut, and when free ones become one.
#pragma once

#include <algorithm>
#include <bit>
#include <functional>
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

// --- What a heap with these options does. -------------------------------------------------------

[[nodiscard]] inline bool has_headers(const Options& options) { return options.headers; }

// Whether a block may have any number of granules, and be cut from any place in a free one.
[[nodiscard]] inline bool cuts_anywhere(const Options& options) {
  return options.policy != "buddy";
}
// Whether no two free blocks ever touch.
[[nodiscard]] inline bool joins_neighbours(const Options& options) {
  return cuts_anywhere(options) && options.coalesce.value_or(true) &&
         options.order.value_or(Order::address) == Order::address;
}
// Whether a heap all of whose blocks have been freed is as it was at first.
[[nodiscard]] inline bool joins_back(const Options& options) {
  return joins_neighbours(options) || !cuts_anywhere(options);
}
// Whether the list links the free blocks by their addresses.
[[nodiscard]] inline bool lists_by_address(const Options& options) {
  return options.order.value_or(Order::address) == Order::address &&
         options.policy != "segregated_fit" && options.policy != "tlsf" &&
         options.policy != "buddy";
}

// Whether redzones and free memory are watched.
[[nodiscard]] inline bool is_watched(const Options& options) {
  return options.checks == Checks::debug;
}

[[nodiscard]] inline Size front_of(const Options& options) { return options.headers ? 16 : 0; }
[[nodiscard]] inline Size back_of(const Options& options) { return is_watched(options) ? 16 : 0; }
// What a free block of so many bytes offers.
[[nodiscard]] inline Size offer_of(const Options& options, Size extent) {
  return extent - std::min(extent, front_of(options) + back_of(options));
}

// What a block for `size` bytes takes in all.
[[nodiscard]] inline Size extent_of(const Options& options, Size size) {
  const Size around = front_of(options) + back_of(options);
  const Size exact = std::max(around + (size + 15) / 16 * 16, Size{16});
  return cuts_anywhere(options) ? exact : std::bit_ceil(exact);
}
// The size that a live block shows: the one asked for, or, where that is not kept, all that is
// usable.
[[nodiscard]] inline Size shown_size(const Options& options, Size size) {
  return options.headers || is_watched(options) ? size : extent_of(options, size);
}
// The bytes that blocks cover.
[[nodiscard]] inline Size usable_region(const Options& options) {
  const Size rounded = (options.size + 15) / 16 * 16;
  return !options.headers && options.base == Address{0} ? rounded - 16 : rounded;
}

// --- Which there are. ---------------------------------------------------------------------------

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
[[nodiscard]] inline Variant sequence(Fit fit, Order order, bool coalesce) {
  Variant variant = policy("sequential_fit");
  variant.name += std::string("_") + name(fit) + "_" + name(order) + (coalesce ? "" : "_apart");
  variant.options.fit = fit;
  variant.options.order = order;
  variant.options.coalesce = coalesce;
  return variant;
}

// Each with headers and, after it, bare.
[[nodiscard]] inline std::vector<Variant> both_layouts(const std::vector<Variant>& headed) {
  std::vector<Variant> both;
  for (Variant variant : headed) {
    both.push_back(variant);
    variant.name += "_bare";
    variant.options.headers = false;
    both.push_back(variant);
  }
  return both;
}

}  // namespace variants_of

// Every policy, and sequential_fit, which is thirty, in some more of its settings.
[[nodiscard]] inline std::vector<Variant> all_variants() {
  std::vector<Variant> headed;
  for (const std::string_view name : policy_names()) headed.push_back(variants_of::policy(name));
  headed.push_back(variants_of::sequence(Fit::best, Order::size_up, true));
  headed.push_back(variants_of::sequence(Fit::worst, Order::back, true));
  headed.push_back(variants_of::sequence(Fit::first, Order::front, false));
  return variants_of::both_layouts(headed);
}

// Every policy with redzones and a fill.
[[nodiscard]] inline std::vector<Variant> watched_variants() {
  std::vector<Variant> headed;
  for (const std::string_view name : policy_names()) {
    headed.push_back(variants_of::policy(name));
    headed.back().name += "_debug";
    headed.back().options.checks = Checks::debug;
  }
  return variants_of::both_layouts(headed);
}

// sequential_fit in all of its settings.
[[nodiscard]] inline std::vector<Variant> all_sequences() {
  std::vector<Variant> headed;
  for (const Fit fit : {Fit::first, Fit::best, Fit::worst}) {
    for (const Order order :
         {Order::address, Order::size_up, Order::size_down, Order::front, Order::back}) {
      for (const bool coalesce : {true, false})
        headed.push_back(variants_of::sequence(fit, order, coalesce));
    }
  }
  return variants_of::both_layouts(headed);
}

// Those of which every predicate holds.
template <typename... Predicates>
[[nodiscard]] std::vector<Variant> variants(const Predicates&... holds) {
  std::vector<Variant> some = all_variants();
  std::erase_if(some, [&](const Variant& v) { return !(holds(v.options) && ... && true); });
  return some;
}

}  // namespace glassheap
