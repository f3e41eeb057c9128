#include "contender.hpp"
#include "ours.hpp"
#include "peers/peers.hpp"

namespace bench {
namespace {

constexpr const char* private_region = "a region of its own";
constexpr const char* from_system = "the system";

void add_ours(std::vector<Contender>& all, std::string_view policy, bool headers) {
  all.push_back({.name = our_name(policy, headers),
                 .peer = ours(),
                 .memory = private_region,
                 .policy = std::string(policy),
                 .headers = headers});
}

// `peer` is null if its file was not compiled.
Contender built_in(const char* name, Peer (*peer)(), const char* memory, const char* package) {
  return {.name = name,
          .peer = peer != nullptr ? peer() : Peer{},
          .memory = memory,
          .package = package};
}

Contender preloaded(const char* name, const char* library, const char* package) {
  return {.name = name,
          .peer = {system_malloc().play, ""},
          .memory = from_system,
          .package = package,
          .preload = library};
}

}  // namespace

std::string our_name(std::string_view policy, bool headers) {
  return std::string(policy) + (headers ? "" : "/headerless");
}

std::vector<Contender> registry() {
  std::vector<Contender> all;
  for (const std::string_view policy : glassheap::policy_names()) {
    add_ours(all, policy, true);
    add_ours(all, policy, false);
  }
  const char* const boost = "libboost-container-dev";
  all.push_back(built_in("boost dlmalloc", boost_dlmalloc, from_system, boost));
  all.push_back(built_in("boost rbtree_best_fit", boost_rbtree_best_fit, private_region, boost));
  all.push_back(built_in("boost simple_seq_fit", boost_simple_seq_fit, private_region, boost));
  all.push_back(built_in("tbb fixed_pool", tbb_fixed_pool, private_region, "libtbb-dev"));
  all.push_back(built_in("std::pmr pools", std_pmr, private_region, "a newer compiler"));
  all.push_back(built_in("libc malloc", system_malloc, from_system, "libc6"));
  all.push_back(preloaded("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"));
  all.push_back(preloaded("jemalloc", "libjemalloc.so.2", "libjemalloc2"));
  all.push_back(preloaded("tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"));
  return all;
}

}  // namespace bench
