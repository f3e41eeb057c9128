#include "glassheap/policies.hpp"

#include <algorithm>
#include <array>

#include "glassheap/heap_core.hpp"
#include "glassheap/policy/best_fit.hpp"
#include "glassheap/policy/buddy.hpp"
#include "glassheap/policy/first_fit.hpp"
#include "glassheap/policy/next_fit.hpp"
#include "glassheap/policy/segregated_fit.hpp"
#include "glassheap/policy/tlsf.hpp"
#include "glassheap/policy/worst_fit.hpp"

namespace glassheap {
namespace {

using Maker = std::unique_ptr<Core> (*)(std::span<std::byte>, const Options&, const Sharing&);

template <Policy P>
std::unique_ptr<Core> make(std::span<std::byte> region, const Options& options,
                           const Sharing& sharing) {
  const CoreSettings settings{options.headers, options.magic, options.zero_on_free,
                              options.checks == Checks::debug};
  if constexpr (std::constructible_from<P, Blocks&, const BlockMap&, Sequence>) {
    const Sequence sequence{.fit = options.fit.value_or(Fit::first),
                            .order = options.order.value_or(Order::address),
                            .coalesce = options.coalesce.value_or(true)};
    return std::make_unique<HeapCore<P>>(region, settings, sharing, sequence);
  } else {
    return std::make_unique<HeapCore<P>>(region, settings, sharing);
  }
}

// A policy more is a line more.
template <typename... Policies>
struct List {
  static constexpr std::array descriptions = {Policies::description...};
  static constexpr std::array<Maker, sizeof...(Policies)> makers = {&make<Policies>...};
};
using All = List<FirstFit, NextFit, BestFit, WorstFit, SegregatedFit, Tlsf, Buddy, SequentialFit>;

std::size_t index_of(std::string_view name) noexcept {
  const auto* const at = std::ranges::find(All::descriptions, name, &Description::name);
  return static_cast<std::size_t>(at - All::descriptions.begin());
}

}  // namespace

std::span<const Description> policies() noexcept { return All::descriptions; }

bool is_policy(std::string_view name) noexcept { return index_of(name) < All::makers.size(); }

bool takes_sequence(std::string_view name) noexcept {
  return name == SequentialFit::description.name;
}

std::unique_ptr<Core> make_core(std::span<std::byte> region, const Options& options,
                                const Sharing& sharing) {
  return All::makers[index_of(options.policy)](region, options, sharing);
}

}  // namespace glassheap
