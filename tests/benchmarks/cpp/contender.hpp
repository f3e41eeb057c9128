// contender.hpp: the allocators that are measured.
//
// glassheap is measured with each policy, with headers and without. The other contenders are peers
// from the system's packages, and each may be missing: at compile time, if its headers are not
// found, its file is not built; at run time, if the library to be preloaded is not found. A missing
// contender stays in the tables, marked as missing.
#pragma once

#include <string>
#include <vector>

#include "measure.hpp"

namespace bench {

// One turn: the heap, the size of its region, and the time limits.
struct Job {
  Size region = 0;
  Limits limits;
  std::string policy = {};  // glassheap's
  bool headers = true;      // glassheap's
};

using Play = Outcome (*)(Workload& workload, const Job& job);

struct Peer {
  Play play = nullptr;
  std::string version;
};

struct Contender {
  std::string name;
  Peer peer;
  std::string memory = {};   // the origin of its memory
  std::string package = {};  // the Debian package that it needs
  std::string preload = {};  // the library to preload into its process; empty for none
  std::string policy = {};   // glassheap's; empty for a peer
  bool headers = true;       // glassheap's

  [[nodiscard]] bool ours() const { return !policy.empty(); }
  [[nodiscard]] bool missing() const { return peer.play == nullptr; }
};

// All contenders, glassheap's first, present or missing.
[[nodiscard]] std::vector<Contender> registry();

// The name of a contender of glassheap: first_fit, first_fit/headerless.
[[nodiscard]] std::string our_name(std::string_view policy, bool headers);

}  // namespace bench
