// command.hpp: the command line, and what it asks for.
#pragma once

#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "contender.hpp"

namespace bench {

// A mistake in the arguments: what() is the sentence to print.
class Mistake : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Wish {
  bool help = false;
  std::vector<std::string> folders;  // of traces, beside the one that ships
  std::vector<std::string> only;     // names of contenders, or parts of them; empty for all
  unsigned rounds = 5;
  double seconds = 0.3;  // of one measurement
  bool quick = false;    // whether it runs at all; the figures mean nothing
  bool speed = true;
  bool utilisation = false;
  std::string json;      // a file to write; empty for none
  std::string markdown;  // the same
};

[[nodiscard]] Wish read_wish(std::span<const std::string> arguments);
[[nodiscard]] const char* usage();

// The contenders that were asked for. Throws Mistake for a name that nobody has.
[[nodiscard]] std::vector<Contender> chosen(std::vector<Contender> all, const Wish& wish);
// The files of the trace that ships and of the folders. Throws Mistake for a folder without any.
[[nodiscard]] std::vector<std::string> trace_files(const Wish& wish);
// The command that asks for the same, with places outside of the project left open.
[[nodiscard]] std::string command_line(const Wish& wish);

}  // namespace bench
