// child.hpp: another program, run to its end or to the end of our patience.
//
// What is measured runs in a process of its own, so that it can be given another malloc, can be
// stopped when it takes too long, and takes nobody along when it crashes.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct Command {
  std::vector<std::string> words = {};  // the program, looked up in PATH, and its arguments
  std::string preload = {};             // a library for LD_PRELOAD; empty for none
  double patience = 0;  // seconds by the clock on the wall; then the program is killed
  bool quiet = false;   // what it says on stderr is dropped
};

struct Finished {
  bool well = false;  // it ended by itself, with status 0
  bool late = false;  // it was killed
  std::string output;
};

// Throws std::system_error if no process can be made; a program that is not there ends with 127.
[[nodiscard]] Finished run(const Command& command);

}  // namespace bench
