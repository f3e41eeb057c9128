#include "core/policy_list.hpp"

#include <algorithm>
#include <array>

#include "core/heap_core.hpp"
#include "policy/best_fit.hpp"
#include "policy/buddy.hpp"
#include "policy/first_fit.hpp"
#include "policy/next_fit.hpp"
#include "policy/quick_fit.hpp"
#include "policy/segregated_fit.hpp"
#include "policy/sequential_fit.hpp"
#include "policy/tlsf.hpp"
#include "policy/worst_fit.hpp"

namespace glassheap {
namespace {

using Maker = std::unique_ptr<CoreInterface> (*)(std::span<std::byte>, const Options&,
                                                 const Sharing&);

template <Policy P>
std::unique_ptr<CoreInterface> make(std::span<std::byte> region, const Options& options,
                                    const Sharing& sharing) {
  const CoreSettings settings{.headers = options.headers,
                              .magic = options.magic,
                              .zero_on_free = options.zero_on_free,
                              .redzones = options.checks == Checks::debug,
                              .shadow = options.granule.has_value()};
  if constexpr (std::constructible_from<P, BlockBytes&, const BlockMap&, Sequence>) {
    const Sequence sequence{.fit = options.fit.value_or(Fit::first),
                            .order = options.order.value_or(Order::address),
                            .coalesce = options.coalesce.value_or(true)};
    return std::make_unique<HeapCore<P>>(region, settings, sharing, sequence);
  } else {
    return std::make_unique<HeapCore<P>>(region, settings, sharing);
  }
}

template <typename... Policies>
struct List {
  static constexpr std::array descriptions = {Policies::description...};
  static constexpr std::array<Maker, sizeof...(Policies)> makers = {&make<Policies>...};
};
// To add a policy, add its type here. The first one is the default.
using All =
    List<FirstFit, NextFit, BestFit, WorstFit, SegregatedFit, QuickFit, Tlsf, Buddy, SequentialFit>;

std::size_t index_of(std::string_view name) noexcept {
  const auto* const at = std::ranges::find(All::descriptions, name, &PolicyDescription::name);
  return static_cast<std::size_t>(at - All::descriptions.begin());
}

}  // namespace

std::span<const PolicyDescription> policies() noexcept { return All::descriptions; }

std::vector<std::string_view> policy_names() {
  std::vector<std::string_view> names;
  for (const PolicyDescription& policy : policies()) names.push_back(policy.name);
  return names;
}

bool is_policy(std::string_view name) noexcept { return index_of(name) < All::makers.size(); }

bool takes_sequence(std::string_view name) noexcept {
  return name == SequentialFit::description.name;
}

std::unique_ptr<CoreInterface> make_core(std::span<std::byte> region, const Options& options,
                                         const Sharing& sharing) {
  return All::makers[index_of(options.policy)](region, options, sharing);
}

}  // namespace glassheap
