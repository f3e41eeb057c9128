#include "options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

namespace bench {
namespace {

constexpr unsigned least_rounds = 5;
constexpr unsigned most_rounds = 1000;
constexpr double most_seconds = 60;

// Reads a whole word as a number.
template <typename Number>
std::optional<Number> as_number(const std::string& word) {
  Number number{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return number;
}

// The shortest text that reads back as the same number.
std::string shortest(double number) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

unsigned round_count(const std::string& word) {
  const auto rounds = as_number<unsigned>(word);
  if (!rounds || *rounds < least_rounds || *rounds > most_rounds)
    throw UsageError("'" + word + "' is not a number of rounds; expected 5 to 1000.");
  return *rounds;
}

double duration(const std::string& word) {
  const auto seconds = as_number<double>(word);
  if (!seconds || !(*seconds > 0) || *seconds > most_seconds)
    throw UsageError("'" + word + "' is not a time; expected seconds, up to 60.");
  return *seconds;
}

std::string folder(const std::string& word) {
  if (!std::filesystem::is_directory(word)) throw UsageError("'" + word + "' is not a folder.");
  return word;
}

// The words between commas.
std::vector<std::string> listed(const std::string& word) {
  std::vector<std::string> words;
  for (std::size_t start = 0; start <= word.size();) {
    const std::size_t stop = std::min(word.find(',', start), word.size());
    if (stop > start) words.push_back(word.substr(start, stop - start));
    start = stop + 1;
  }
  if (words.empty()) throw UsageError("--only needs a name, or several with commas between.");
  return words;
}

// Applies an option that has no value. Returns false if `option` is none.
bool read_flag(const std::string& option, Options& options) {
  if (option == "--help" || option == "-h") return options.help = true;
  if (option == "--quick") return options.quick = true;
  if (option == "--utilisation") return options.utilisation = true;
  if (option != "--no-speed") return false;
  options.speed = false;
  return true;
}

void read_value(const std::string& option, const std::string& value, Options& options) {
  if (option == "--traces") options.folders.push_back(folder(value));
  if (option == "--only") options.only = listed(value);
  if (option == "--rounds") options.rounds = round_count(value);
  if (option == "--seconds") options.seconds = duration(value);
  if (option == "--json") options.json = value;
  if (option == "--markdown") options.markdown = value;
}

constexpr const char* with_value[] = {"--traces",  "--only", "--rounds",
                                      "--seconds", "--json", "--markdown"};

bool fits(const Contender& contender, const std::vector<std::string>& parts) {
  return std::ranges::any_of(parts, [&](const std::string& part) {
    return contender.name.find(part) != std::string::npos;
  });
}

}  // namespace

const char* usage() {
  return R"(usage: glassheap-bench [option]...

How fast glassheap's policies place blocks, compared with other allocators.

  --traces FOLDER   also play its .script and .trace files (.gz); may be repeated
  --only NAMES      only contenders whose name contains one of these words (separated by commas)
  --rounds N        turns of each contender on each workload, at least 5 (5)
  --seconds S       time of one measurement (0.3)
  --utilisation     also find the smallest region that serves each trace
  --no-speed        do not measure speed
  --quick           one short round of small workloads, to test that everything runs
  --json FILE       write every figure of every round
  --markdown FILE   write the tables as a page
)";
}

Options parse_options(std::span<const std::string> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& option = arguments[i];
    if (read_flag(option, options)) continue;
    if (std::ranges::find(with_value, option) == std::end(with_value))
      throw UsageError("There is no option '" + option + "'; --help lists them.");
    if (++i == arguments.size()) throw UsageError(option + " needs a value.");
    read_value(option, arguments[i], options);
  }
  return options;
}

std::vector<Contender> selected(std::vector<Contender> all, const Options& options) {
  if (options.only.empty()) return all;
  for (const std::string& part : options.only) {
    if (std::ranges::any_of(all, [&](const auto& one) { return fits(one, {part}); })) continue;
    std::string names;
    for (const Contender& contender : all) names += (names.empty() ? "" : ", ") + contender.name;
    throw UsageError("There is no contender '" + part + "'; there are: " + names + ".");
  }
  std::erase_if(all, [&](const Contender& contender) { return !fits(contender, options.only); });
  return all;
}

std::vector<std::string> trace_files(const Options& options) {
  std::vector<std::string> files;
  std::vector<std::string> folders = options.folders;
  folders.insert(folders.begin(), BENCH_TRACES);
  for (const std::string& folder : folders) {
    const auto found = traces_in(folder);
    if (found.empty()) throw UsageError("There is no .script or .trace file in '" + folder + "'.");
    for (const auto& file : found) files.push_back(file.string());
  }
  return files;
}

std::string command_line(const Options& options) {
  std::string line = "glassheap-bench --rounds " + std::to_string(options.rounds);
  line += " --seconds " + shortest(options.seconds);
  for (std::size_t i = 0; i < options.folders.size(); ++i) line += " --traces FOLDER";
  for (std::size_t i = 0; i < options.only.size(); ++i)
    line +=
        (i == 0 ? " --only '" : ",") + options.only[i] + (i + 1 == options.only.size() ? "'" : "");
  if (options.utilisation) line += " --utilisation";
  if (!options.speed) line += " --no-speed";
  if (options.quick) line += " --quick";
  return line;
}

}  // namespace bench
