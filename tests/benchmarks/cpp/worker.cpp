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

// The version that the malloc of this process tells, each library in its own way.
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

int tell_malloc() {
  Dl_info place{};
  if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &place) == 0) return 1;
  const auto library = std::filesystem::path(place.dli_fname).filename().string();
  std::printf("%s %s\n", library.c_str(), malloc_version().c_str());
  return 0;
}

const Contender& named(const std::vector<Contender>& all, const std::string& name) {
  const auto found = std::ranges::find(all, name, &Contender::name);
  if (found == all.end() || found->missing())
    throw std::runtime_error("there is no contender '" + name + "'");
  return *found;
}

int play_turn(std::span<const std::string> words) {
  const std::vector<Contender> all = roster();
  const Contender& contender = named(all, words[0]);
  Load load = make_load(words[1]);
  const Job job{.region = region_for(load) << std::stoul(words[2]),
                .limits = {std::stod(words[3]), std::stod(words[4])},
                .policy = contender.policy,
                .headers = contender.headers};
  const Outcome outcome = contender.peer.play(load, job);
  const char* const verdict = verdicts[static_cast<std::size_t>(outcome.verdict)];
  std::printf("%s %.6g\n", verdict, outcome.nanoseconds);
  return 0;
}

// --- The parent's side. ------------------------------------------------------------------------

constexpr double probing = 10;  // seconds

Command command_for(const Contender& contender, std::vector<std::string> words) {
  words.insert(words.begin(), {"/proc/self/exe", "--worker"});
  return {.words = std::move(words), .preload = contender.preload};
}

// Seconds by the clock on the wall, for a worker that keeps to its own limits on a busy machine,
// and draws and fills beforehand, which they do not count.
double patience_for(const Limits& limits) { return 30 + 8 * (limits.patience + limits.seconds); }

Turn read_answer(const std::string& output) {
  std::istringstream line(output);
  std::string verdict;
  Turn turn;
  line >> verdict >> turn.outcome.nanoseconds;
  const auto* const found = std::ranges::find(verdicts, verdict);
  if (!line || found == std::end(verdicts)) return {.trouble = "failed"};
  turn.outcome.verdict = static_cast<Verdict>(found - std::begin(verdicts));
  return turn;
}

}  // namespace

int answer(std::span<const std::string> words) {
  unsetenv("LD_PRELOAD");  // not for the children of this process
  if (words.empty()) return tell_malloc();
  try {
    if (words.size() == 5) return play_turn(words);
    std::fputs("glassheap-bench: --worker is for the program itself\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "glassheap-bench: %s\n", error.what());
  }
  return 1;
}

Turn take_turn(const Contender& contender, const std::string& load, unsigned doublings,
               const Limits& limits) {
  Command command =
      command_for(contender, {contender.name, load, std::to_string(doublings),
                              std::to_string(limits.seconds), std::to_string(limits.patience)});
  command.patience = patience_for(limits);
  const Finished finished = run(command);
  if (finished.late) return {.trouble = "too slow"};
  if (!finished.well) return {.trouble = "failed"};
  return read_answer(finished.output);
}

void probe(Contender& contender) {
  Command command = command_for(contender, {});
  command.patience = probing;
  command.quiet = true;
  const Finished finished = run(command);
  if (finished.well && finished.output.starts_with(contender.preload)) {
    contender.peer.version = finished.output.substr(0, finished.output.find('\n'));
  } else {
    contender.peer = {};
  }
}

}  // namespace bench
