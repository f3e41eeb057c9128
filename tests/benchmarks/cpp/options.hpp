// options.hpp: the command line of glassheap-bench.
#pragma once

#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "contender.hpp"

namespace bench {

// A mistake in the arguments: what() is the sentence to print.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Options {
  bool help = false;
  std::vector<std::string> folders;  // of traces, in addition to the one that ships
  std::vector<std::string> only;     // names of contenders, or parts of them; empty for all
  unsigned rounds = 5;
  double seconds = 0.3;  // of one measurement
  bool quick = false;    // a test that everything runs; the figures mean nothing
  bool speed = true;
  bool utilisation = false;
  std::string json;      // a file to write; empty for none
  std::string markdown;  // the same
};

[[nodiscard]] Options parse_options(std::span<const std::string> arguments);
[[nodiscard]] const char* usage();

// The contenders that were selected. Throws UsageError for a name that no contender has.
[[nodiscard]] std::vector<Contender> selected(std::vector<Contender> all, const Options& options);
// The trace that ships and those of the folders. Throws UsageError for a folder without traces.
[[nodiscard]] std::vector<std::string> trace_files(const Options& options);
// The equivalent command line, with FOLDER for each folder.
[[nodiscard]] std::string command_line(const Options& options);

}  // namespace bench
