// replay.cpp: runs the inputs in files on every policy, once each. Any compiler can build it.
//
//     replay FILE|FOLDER...
//
// So every build tests the inputs that a fuzzer has found, and they can be run in a debugger
// without a fuzzer.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "glassheap/heap.hpp"
#include "session.hpp"

namespace {

namespace fs = std::filesystem;

constexpr unsigned most_seconds = 20;  // an input takes a few milliseconds

bool play(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad() || !file.is_open()) {
    std::fprintf(stderr, "%s: cannot be read.\n", path.c_str());
    return false;
  }
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  for (const std::string_view policy : glassheap::policy_names()) {
    std::printf("%s: %s\n", path.c_str(), std::string(policy).c_str());
    std::fflush(stdout);  // so that the output shows where it crashed
    alarm(most_seconds);  // ends the program if it loops for ever
    glassheap::play(policy, bytes);
    alarm(0);
  }
  return true;
}

// Returns the number of inputs that were run. The caller treats 0 as a failure, so that a corpus
// folder that has moved is noticed.
std::ptrdiff_t play_all(const fs::path& path) {
  if (!fs::is_directory(path)) return play(path) ? 1 : 0;
  return std::ranges::count_if(fs::directory_iterator(path), [](const fs::directory_entry& entry) {
    return entry.is_regular_file() && play(entry.path());
  });
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s FILE|FOLDER...\n", arguments[0]);
    return 2;
  }
  for (int i = 1; i < count; ++i) {
    if (play_all(arguments[i]) == 0) {
      std::fprintf(stderr, "%s: there is no input to run.\n", arguments[i]);
      return 1;
    }
  }
  return 0;
}
