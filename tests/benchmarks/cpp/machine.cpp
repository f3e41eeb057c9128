#include "machine.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "glassheap/version.h"

namespace bench {
namespace {

// From this number of runnable programs per processor, over a minute, figures are doubtful.
constexpr double busy = 0.5;

// The model name of the processor.
std::string processor() {
  std::ifstream facts("/proc/cpuinfo");
  for (std::string line; std::getline(facts, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

// The system, with the first two numbers of its version.
std::string system_release() {
  utsname name{};
  uname(&name);
  const std::string release = name.release;
  return std::string(name.sysname) + " " +
         release.substr(0, release.find('.', release.find('.') + 1)) + ", " + name.machine;
}

std::string load_average(unsigned processors) {
  double average = 0;
  if (getloadavg(&average, 1) != 1) return "unknown";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", average);
  const bool doubtful = average > busy * processors;
  return std::string(text.data()) + (doubtful ? " (BUSY: measure again on a quiet machine)" : "");
}

}  // namespace

std::string c_library() {
  std::array<char, 64> name{};
  const std::size_t size = confstr(_CS_GNU_LIBC_VERSION, name.data(), name.size());
  return size > 1 && size <= name.size() ? name.data() : "unknown";
}

std::vector<std::pair<std::string, std::string>> machine_facts() {
  const unsigned processors = std::thread::hardware_concurrency();
  return {
      {"processor", processor() + ", " + std::to_string(processors) + " of them"},
      {"system", system_release()},
      {"libc", c_library()},
      {"compiler", BENCH_COMPILER},
      {"glassheap", GLASSHEAP_VERSION},
      {"load at the start", load_average(processors)},
  };
}

}  // namespace bench
