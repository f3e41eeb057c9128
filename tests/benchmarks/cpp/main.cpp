// main.cpp: glassheap-bench: the time to place a block, and the memory that it takes.
//
//     glassheap-bench --traces FOLDER --utilisation --markdown docs/benchmarks-placement.md
//
// The benchmark of the Python calls (../calls.py) measures the bindings; this one measures the heap
// itself. It plays recorded programs and synthetic workloads on each policy, through the class that
// the bindings call, and on other allocators.
//
//     trace, churn_script        the operations: read from a file, or drawn beforehand
//     workloads, measure         playing them on a heap, and measuring the time
//     contender, registry        the heaps: ours.cpp and peers/
//     child, worker              each turn in a process of its own
//     interleaved_run, results   all contenders in turn, in rounds
//     utilisation, own_memory    the memory that a heap needs
//     speed, report, json        from figures to tables
//     options                    the command line
//
// Exit status: 0 measured, whatever the figures are; 1 something could not be run or written; 2 a
// mistake in the arguments.
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "json.hpp"
#include "machine.hpp"
#include "options.hpp"
#include "own_memory.hpp"
#include "speed.hpp"
#include "utilisation.hpp"
#include "worker.hpp"

namespace bench {
namespace {

constexpr Limits quick_limits{.seconds = 0.005, .settling_timeout = 0.2};
constexpr double settling_timeout = 5;  // seconds

void print(const std::string& words) {
  std::printf("%s\n", words.c_str());
  std::fflush(stdout);
}

// Prints a line that the next one overwrites; nothing if stderr is not a terminal.
void show_progress(const std::string& words) {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K%s\r", words.c_str());
}

Plan plan_for(const Options& options, const std::vector<Contender>& contenders,
              const std::vector<std::string>& traces) {
  const std::vector<unsigned> lives = {100, 1000, 10'000, 100'000, 1'000'000};
  Plan plan{.contenders = contenders,
            .workloads = workload_specs(traces, options.quick ? std::vector<unsigned>{100} : lives),
            .rounds = options.quick ? 1 : options.rounds,
            .limits = {options.seconds, settling_timeout}};
  if (options.quick) plan.limits = quick_limits;
  return plan;
}

void add(Report& report, const std::vector<Section>& sections, const std::vector<Bar>& bars) {
  for (const Section& section : sections) {
    print(text(section));
    report.sections.push_back(section);
  }
  report.bars.insert(report.bars.end(), bars.begin(), bars.end());
}

void add_speed(Report& report, const Plan& plan, Results& results) {
  results = run_interleaved(plan, show_progress);
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

std::vector<Contender> contenders_for(const Options& options) {
  std::vector<Contender> contenders = selected(registry(), options);
  for (Contender& contender : contenders) {
    if (!contender.preload.empty()) probe(contender);
  }
  return contenders;
}

void measure_all(const Options& options) {
  const std::vector<Contender> contenders = contenders_for(options);
  const std::vector<std::string> traces = trace_files(options);
  Report report{.command = command_line(options), .facts = machine_facts()};
  if (options.quick)
    report.facts.emplace_back("quick", "one short round: the figures mean nothing");
  Results results;
  print(text(report.facts));
  add(report, {contender_section(contenders)}, {});
  if (options.speed) add_speed(report, plan_for(options, contenders, traces), results);
  if (options.utilisation) add_utilisation(report, contenders, traces);
  const OwnMemoryTable memory = measure_own_memory(contenders);
  add(report, {memory.section}, memory.bars);
  print(text(bar_section(report.bars)));
  write(options.json, json(report, results));
  write(options.markdown, markdown(report));
}

int run_command(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments[0] == "--worker")
    return run_worker(std::span(arguments).subspan(1));
  const Options options = parse_options(arguments);
  if (options.help) {
    print(usage());
  } else {
    measure_all(options);
  }
  return 0;
}

int report_error(const std::exception& error, int status) {
  std::fprintf(stderr, "glassheap-bench: %s\n", error.what());
  return status;
}

}  // namespace
}  // namespace bench

int main(int count, char** words) {
  try {
    return bench::run_command({words + 1, words + count});
  } catch (const bench::UsageError& error) {
    return bench::report_error(error, 2);
  } catch (const std::exception& error) {
    return bench::report_error(error, 1);
  }
}
