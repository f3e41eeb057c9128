// policy_list.hpp: the list of placement policies. It finds a policy by its name, and makes a core
// that uses it.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "core/core_interface.hpp"
#include "glassheap/options.hpp"

namespace glassheap {

// Returns true if a policy has this name.
[[nodiscard]] bool is_policy(std::string_view name) noexcept;
// Returns true if the policy of this name takes options.fit, options.order and options.coalesce.
[[nodiscard]] bool takes_sequence(std::string_view name) noexcept;

// Makes a core over `region`, which must outlive it, with the policy options.policy, which must
// exist. The core must then be seeded or loaded. Throws std::bad_alloc if and only if there is no
// memory for it.
[[nodiscard]] std::unique_ptr<CoreInterface> make_core(std::span<std::byte> region,
                                                       const Options& options,
                                                       const Sharing& sharing = {});

}  // namespace glassheap
