// replay.cpp: plays files to the driver once each, to every policy, as any compiler builds it.
//
//     replay FILE|FOLDER...
//
// So what a fuzzer found once is tested in every build from then on, and can be looked at in a
// debugger, without a fuzzer at hand.

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "driver.hpp"
#include "glassheap/heap.hpp"

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
    std::fflush(stdout);  // should it crash now, it is known where
    alarm(most_seconds);  // an endless loop ends the program
    glassheap::fuzzing::play(policy, bytes);
    alarm(0);
  }
  return true;
}

// How many files were played; none is a failure, so that a folder that moved is not passed over.
int play_all(const fs::path& path) {
  if (!fs::is_directory(path)) return play(path) ? 1 : 0;
  int played = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file() && play(entry.path())) ++played;
  }
  return played;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s FILE|FOLDER...\n", arguments[0]);
    return 2;
  }
  for (int i = 1; i < count; ++i) {
    if (play_all(arguments[i]) == 0) {
      std::fprintf(stderr, "%s: there is nothing to play.\n", arguments[i]);
      return 1;
    }
  }
  return 0;
}
