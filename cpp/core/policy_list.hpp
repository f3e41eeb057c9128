// policies.hpp: the placement policies that can be asked for by name.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "core/core_interface.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

// Whether there is a policy of that name; and whether it takes options.fit, order and coalesce.
[[nodiscard]] bool is_policy(std::string_view name) noexcept;
[[nodiscard]] bool takes_sequence(std::string_view name) noexcept;

// A core of the policy options.policy, which there is, over `region`, which outlives it; it is to
// be seeded, or to load a state. Throws std::bad_alloc if and only if there is no memory for it.
[[nodiscard]] std::unique_ptr<CoreInterface> make_core(std::span<std::byte> region,
                                                       const Options& options,
                                                       const Sharing& sharing = {});

}  // namespace glassheap
