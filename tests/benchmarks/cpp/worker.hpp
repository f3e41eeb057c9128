// worker.hpp: one turn in a process of its own: the child's side and the parent's.
//
// For every turn of every contender this program is started again: with a fresh heap, a fresh
// address space, and for some contenders another malloc in LD_PRELOAD. It takes its task from its
// arguments and prints one line on stdout:
//
//     arguments                                                  output
//     --worker NAME WORKLOAD DOUBLINGS SECONDS SETTLING_TIMEOUT  measured NS | unsettled NS
//                                                                | refused 0
//     --worker                                                   LIBRARY VERSION, of its malloc
//
// DOUBLINGS is the number of times that the workload's usual region is doubled. The second form
// exists because a dynamic loader that cannot preload a library says so on stderr and continues.
#pragma once

#include <span>

#include "contender.hpp"

namespace bench {

// The child's side: performs the task, and returns the exit status.
int run_worker(std::span<const std::string> words);

// The parent's side: the outcome of a turn, or the reason why there is none.
struct Turn {
  Outcome outcome = {};
  std::string failure;  // in a few words; empty if there is an outcome
};
[[nodiscard]] Turn take_turn(const Contender& contender, const std::string& workload,
                             unsigned doublings, const Limits& limits);

// Fills in the version of the contender's library, if that can be preloaded; otherwise marks the
// contender as missing.
void probe(Contender& contender);

}  // namespace bench
