// main.cpp: glassheap-bench: what it costs to place a block, and how much memory it takes.
//
//     glassheap-bench --traces FOLDER --utilisation --markdown docs/benchmarks-placement.md
//
// The benchmark of the calls from Python (../calls.py) says what the door costs; this one says what
// is behind it. It plays recorded programs and synthetic loads on each policy, through the facade
// that Python calls, and on other allocators beside it.
//
//     trace, choices      what is done: read from a file, or drawn beforehand
//     loads, measure      doing it on a heap, and how long it took
//     contender, roster   on which heaps: ours.cpp and peers/
//     child, worker       each turn in a process of its own
//     race, results       everybody in turn, in rounds
//     utilisation, own_memory   how much memory it takes; no race
//     speed, report, json, command   from figures to tables, from words to wishes
//
// Exit status: 0 measured, whatever came of it; 1 something could not be run or written; 2 a
// mistake in the arguments.
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "command.hpp"
#include "json.hpp"
#include "machine.hpp"
#include "own_memory.hpp"
#include "speed.hpp"
#include "utilisation.hpp"
#include "worker.hpp"

namespace bench {
namespace {

constexpr Limits quick_limits{.seconds = 0.005, .patience = 0.2};
constexpr double patience = 5;  // seconds

void say(const std::string& words) {
  std::printf("%s\n", words.c_str());
  std::fflush(stdout);
}

// On a line of its own that the next one overwrites; nothing where nobody looks.
void show_progress(const std::string& words) {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K%s\r", words.c_str());
}

Plan plan_for(const Wish& wish, const std::vector<Contender>& contenders,
              const std::vector<std::string>& traces) {
  const std::vector<unsigned> lives = {100, 1000, 10'000, 100'000, 1'000'000};
  Plan plan{.contenders = contenders,
            .loads = load_specs(traces, wish.quick ? std::vector<unsigned>{100} : lives),
            .rounds = wish.quick ? 1 : wish.rounds,
            .limits = {wish.seconds, patience}};
  if (wish.quick) plan.limits = quick_limits;
  return plan;
}

void add(Report& report, const std::vector<Section>& sections, const std::vector<Bar>& bars) {
  for (const Section& section : sections) {
    say(text(section));
    report.sections.push_back(section);
  }
  report.bars.insert(report.bars.end(), bars.begin(), bars.end());
}

void add_speed(Report& report, const Plan& plan, Results& results) {
  results = race(plan, show_progress);
  show_progress("");
  std::vector<Section> sections = group_sections(plan, results);
  sections.push_back(growth_section(plan, results));
  sections.push_back(ratio_section(plan, results));
  add(report, sections, speed_bars(plan, results));
}

void add_utilisation(Report& report, const std::vector<Contender>& contenders,
                     const std::vector<std::string>& traces) {
  const Utilisation found = measure_utilisation(contenders, traces, show_progress);
  show_progress("");
  add(report, {found.section}, found.bars);
}

void write(const std::string& file, const std::string& contents) {
  if (file.empty()) return;
  std::ofstream output(file, std::ios::binary);
  output << contents;
  output.close();
  if (!output) throw std::runtime_error("'" + file + "' cannot be written.");
}

std::vector<Contender> contenders_for(const Wish& wish) {
  std::vector<Contender> contenders = chosen(roster(), wish);
  for (Contender& contender : contenders) {
    if (!contender.preload.empty()) probe(contender);
  }
  return contenders;
}

void measure_all(const Wish& wish) {
  const std::vector<Contender> contenders = contenders_for(wish);
  const std::vector<std::string> traces = trace_files(wish);
  Report report{.command = command_line(wish), .facts = machine_facts()};
  if (wish.quick) report.facts.emplace_back("quick", "one short round: the figures mean nothing");
  Results results;
  say(text(report.facts));
  add(report, {contender_section(contenders)}, {});
  if (wish.speed) add_speed(report, plan_for(wish, contenders, traces), results);
  if (wish.utilisation) add_utilisation(report, contenders, traces);
  const OwnMemoryTable memory = measure_own_memory(contenders);
  add(report, {memory.section}, memory.bars);
  say(text(bar_section(report.bars)));
  write(wish.json, json(report, results));
  write(wish.markdown, markdown(report));
}

int run_command(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments[0] == "--worker")
    return answer(std::span(arguments).subspan(1));
  const Wish wish = read_wish(arguments);
  if (wish.help) {
    say(usage());
  } else {
    measure_all(wish);
  }
  return 0;
}

int complain(const std::exception& error, int status) {
  std::fprintf(stderr, "glassheap-bench: %s\n", error.what());
  return status;
}

}  // namespace
}  // namespace bench

int main(int count, char** words) {
  try {
    return bench::run_command({words + 1, words + count});
  } catch (const bench::Mistake& mistake) {
    return bench::complain(mistake, 2);
  } catch (const std::exception& error) {
    return bench::complain(error, 1);
  }
}
