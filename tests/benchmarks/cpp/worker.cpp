#include "worker.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "child.hpp"

namespace bench {
namespace {

// --- The child's side. -------------------------------------------------------------------------

constexpr const char* verdicts[] = {"measured", "unsettled", "refused"};

template <typename Function>
Function find_function(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// The version of this process's malloc; each library has its own way to report it.
std::string malloc_version() {
  const char* version = nullptr;
  std::size_t size = sizeof version;
  using Mallctl = int (*)(const char*, void*, std::size_t*, void*, std::size_t);
  if (const auto mallctl = find_function<Mallctl>("mallctl"))
    mallctl("version", static_cast<void*>(&version), &size, nullptr, 0);
  using TcVersion = const char* (*)(int*, int*, const char**);
  if (const auto tc = find_function<TcVersion>("tc_version"))
    version = tc(nullptr, nullptr, nullptr);
  if (version != nullptr) return std::string(version).substr(0, std::string(version).find('-'));
  using MiVersion = int (*)();
  if (const auto mi = find_function<MiVersion>("mi_version")) return std::to_string(mi());
  return "of unknown version";
}

int print_malloc() {
  Dl_info place{};
  if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &place) == 0) return 1;
  const auto library = std::filesystem::path(place.dli_fname).filename().string();
  std::printf("%s %s\n", library.c_str(), malloc_version().c_str());
  return 0;
}

const Contender& find_contender(const std::vector<Contender>& all, const std::string& name) {
  const auto found = std::ranges::find(all, name, &Contender::name);
  if (found == all.end() || found->missing())
    throw std::runtime_error("there is no contender '" + name + "'");
  return *found;
}

int play_turn(std::span<const std::string> words) {
  const std::vector<Contender> all = registry();
  const Contender& contender = find_contender(all, words[0]);
  Workload workload = make_workload(words[1]);
  const Job job{.region = region_for(workload) << std::stoul(words[2]),
                .limits = {std::stod(words[3]), std::stod(words[4])},
                .policy = contender.policy,
                .headers = contender.headers};
  const Outcome outcome = contender.peer.play(workload, job);
  const char* const verdict = verdicts[static_cast<std::size_t>(outcome.verdict)];
  std::printf("%s %.6g\n", verdict, outcome.nanoseconds);
  return 0;
}

// --- The parent's side. ------------------------------------------------------------------------

constexpr double probe_timeout = 10;  // seconds

Command command_for(const Contender& contender, std::vector<std::string> words) {
  words.insert(words.begin(), {"/proc/self/exe", "--worker"});
  return {.words = std::move(words), .preload = contender.preload};
}

// Seconds of real time for a worker: more than its own limits, because the machine may be busy, and
// because the limits do not include the time to draw the script and to fill the heap.
double timeout_for(const Limits& limits) {
  return 30 + 8 * (limits.settling_timeout + limits.seconds);
}

Turn parse_result(const std::string& output) {
  std::istringstream line(output);
  std::string verdict;
  Turn turn;
  line >> verdict >> turn.outcome.nanoseconds;
  const auto* const found = std::ranges::find(verdicts, verdict);
  if (!line || found == std::end(verdicts)) return {.failure = "failed"};
  turn.outcome.verdict = static_cast<Verdict>(found - std::begin(verdicts));
  return turn;
}

}  // namespace

int run_worker(std::span<const std::string> words) {
  unsetenv("LD_PRELOAD");  // not for the children of this process
  if (words.empty()) return print_malloc();
  try {
    if (words.size() == 5) return play_turn(words);
    std::fputs("glassheap-bench: --worker is for the program itself\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "glassheap-bench: %s\n", error.what());
  }
  return 1;
}

Turn take_turn(const Contender& contender, const std::string& workload, unsigned doublings,
               const Limits& limits) {
  Command command = command_for(
      contender, {contender.name, workload, std::to_string(doublings),
                  std::to_string(limits.seconds), std::to_string(limits.settling_timeout)});
  command.timeout = timeout_for(limits);
  const Finished finished = run(command);
  if (finished.timed_out) return {.failure = "too slow"};
  if (!finished.succeeded) return {.failure = "failed"};
  return parse_result(finished.output);
}

void probe(Contender& contender) {
  Command command = command_for(contender, {});
  command.timeout = probe_timeout;
  command.quiet = true;
  const Finished finished = run(command);
  if (finished.succeeded && finished.output.starts_with(contender.preload)) {
    contender.peer.version = finished.output.substr(0, finished.output.find('\n'));
  } else {
    contender.peer = {};
  }
}

}  // namespace bench
