// child.hpp: another program, run with a time limit.
//
// Each measurement runs in a process of its own: it can have another malloc, it can be killed when
// it takes too long, and a crash ends only that measurement.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct Command {
  std::vector<std::string> words = {};  // the program, looked up in PATH, and its arguments
  std::string preload = {};             // a library for LD_PRELOAD; empty for none
  double timeout = 0;                   // seconds of real time; then the program is killed
  bool quiet = false;                   // its stderr is discarded
};

struct Finished {
  bool succeeded = false;  // it ended by itself, with status 0
  bool timed_out = false;  // it was killed after the timeout
  std::string output;
};

// Throws std::system_error if no process can be made. A program that is not found ends with 127.
[[nodiscard]] Finished run(const Command& command);

}  // namespace bench
