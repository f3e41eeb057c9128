// worker.hpp: a turn in a process of its own, from both sides.
//
// Every turn, of every contender, is this program started once more: with a fresh heap, a fresh
// address space, and for some with another malloc in LD_PRELOAD. It is asked by its arguments and
// answers with one line on stdout.
//
//     --worker NAME LOAD DOUBLINGS SECONDS PATIENCE     measured NS | unsettled NS | refused 0
//     --worker                                          LIBRARY, that serves malloc, and VERSION
//
// DOUBLINGS says how often the load's usual region is doubled. A dynamic loader that cannot preload
// a library says so on stderr and goes on without it; hence the second question.
#pragma once

#include <span>

#include "contender.hpp"

namespace bench {

// The child's side: answers, and returns the exit status.
int answer(std::span<const std::string> words);

// The parent's side. What a turn came to, or why it came to nothing.
struct Turn {
  Outcome outcome = {};
  std::string trouble;  // a few words; empty if there is an outcome
};
[[nodiscard]] Turn take_turn(const Contender& contender, const std::string& load,
                             unsigned doublings, const Limits& limits);

// Whether this contender's library can be preloaded; then fills in its version, otherwise the
// contender is missing from here on.
void probe(Contender& contender);

}  // namespace bench
