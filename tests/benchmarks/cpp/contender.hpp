// contender.hpp: who takes part.
//
// glassheap takes part with each policy, with headers and without. The others are peers from the
// system's packages, and each may be missing: at compile time, where its headers are not found,
// its file is left out of the build; at run time, where the library that a process of its own would
// be started with is not there. Whoever is missing stays in the tables, and is named as missing.
#pragma once

#include <string>
#include <vector>

#include "measure.hpp"

namespace bench {

// One turn: which heap, over how many bytes, for how long.
struct Job {
  Size region = 0;
  Limits limits;
  std::string policy = {};  // glassheap's
  bool headers = true;      // glassheap's
};

using Play = Outcome (*)(Load& load, const Job& job);

struct Peer {
  Play play = nullptr;
  std::string version;
};

struct Contender {
  std::string name;
  Peer peer;
  std::string memory = {};   // where its blocks lie
  std::string package = {};  // Debian's name of what it takes to build or run it
  std::string preload = {};  // the library that its process is started with; empty for none
  std::string policy = {};   // glassheap's; empty for a peer
  bool headers = true;       // glassheap's

  [[nodiscard]] bool ours() const { return !policy.empty(); }
  [[nodiscard]] bool missing() const { return peer.play == nullptr; }
};

// All of them, glassheap's first, whether they are here or not.
[[nodiscard]] std::vector<Contender> roster();

// How a contender of glassheap is called: first_fit, first_fit/headerless.
[[nodiscard]] std::string our_name(std::string_view policy, bool headers);

}  // namespace bench
