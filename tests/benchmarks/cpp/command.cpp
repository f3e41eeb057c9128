#include "command.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

namespace bench {
namespace {

constexpr unsigned least_rounds = 5;
constexpr unsigned most_rounds = 1000;
constexpr double most_seconds = 60;

// A whole word as a number.
template <typename Number>
std::optional<Number> as_number(const std::string& word) {
  Number number{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return number;
}

// With no more digits than it takes.
std::string shortest(double number) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

unsigned round_count(const std::string& word) {
  const auto rounds = as_number<unsigned>(word);
  if (!rounds || *rounds < least_rounds || *rounds > most_rounds)
    throw Mistake("'" + word + "' is no number of rounds from 5 to 1000.");
  return *rounds;
}

double duration(const std::string& word) {
  const auto seconds = as_number<double>(word);
  if (!seconds || !(*seconds > 0) || *seconds > most_seconds)
    throw Mistake("'" + word + "' is no time; expected seconds, up to 60.");
  return *seconds;
}

std::string folder(const std::string& word) {
  if (!std::filesystem::is_directory(word)) throw Mistake("'" + word + "' is no folder.");
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
  if (words.empty()) throw Mistake("--only needs a name, or several with commas between.");
  return words;
}

// True if `option` stands alone, and is dealt with.
bool read_flag(const std::string& option, Wish& wish) {
  if (option == "--help" || option == "-h") return wish.help = true;
  if (option == "--quick") return wish.quick = true;
  if (option == "--utilisation") return wish.utilisation = true;
  if (option != "--no-speed") return false;
  wish.speed = false;
  return true;
}

void read_value(const std::string& option, const std::string& value, Wish& wish) {
  if (option == "--traces") wish.folders.push_back(folder(value));
  if (option == "--only") wish.only = listed(value);
  if (option == "--rounds") wish.rounds = round_count(value);
  if (option == "--seconds") wish.seconds = duration(value);
  if (option == "--json") wish.json = value;
  if (option == "--markdown") wish.markdown = value;
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

How fast glassheap's policies place blocks, beside other allocators.

  --traces FOLDER   play the .script and .trace files (.gz) in it too; may be given again
  --only NAMES      only contenders with one of these words, comma between, in their name
  --rounds N        turns of each contender on each load, from 5 up (5)
  --seconds S       to measure for in one turn (0.3)
  --utilisation     also find the smallest region that serves each trace
  --no-speed        leave the race out
  --quick           one short round of small loads: does it run at all?
  --json FILE       write every figure of every round
  --markdown FILE   write the tables as a page
)";
}

Wish read_wish(std::span<const std::string> arguments) {
  Wish wish;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& option = arguments[i];
    if (read_flag(option, wish)) continue;
    if (std::ranges::find(with_value, option) == std::end(with_value))
      throw Mistake("There is no option '" + option + "'; --help lists them.");
    if (++i == arguments.size()) throw Mistake(option + " needs a value behind it.");
    read_value(option, arguments[i], wish);
  }
  return wish;
}

std::vector<Contender> chosen(std::vector<Contender> all, const Wish& wish) {
  if (wish.only.empty()) return all;
  for (const std::string& part : wish.only) {
    if (std::ranges::any_of(all, [&](const auto& one) { return fits(one, {part}); })) continue;
    std::string names;
    for (const Contender& contender : all) names += (names.empty() ? "" : ", ") + contender.name;
    throw Mistake("Nobody is called '" + part + "'. There are: " + names + ".");
  }
  std::erase_if(all, [&](const Contender& contender) { return !fits(contender, wish.only); });
  return all;
}

std::vector<std::string> trace_files(const Wish& wish) {
  std::vector<std::string> files;
  std::vector<std::string> folders = wish.folders;
  folders.insert(folders.begin(), BENCH_TRACES);
  for (const std::string& folder : folders) {
    const auto found = traces_in(folder);
    if (found.empty()) throw Mistake("There is no .script or .trace file in '" + folder + "'.");
    for (const auto& file : found) files.push_back(file.string());
  }
  return files;
}

std::string command_line(const Wish& wish) {
  std::string line = "glassheap-bench --rounds " + std::to_string(wish.rounds);
  line += " --seconds " + shortest(wish.seconds);
  for (std::size_t i = 0; i < wish.folders.size(); ++i) line += " --traces FOLDER";
  for (std::size_t i = 0; i < wish.only.size(); ++i)
    line += (i == 0 ? " --only '" : ",") + wish.only[i] + (i + 1 == wish.only.size() ? "'" : "");
  if (wish.utilisation) line += " --utilisation";
  if (!wish.speed) line += " --no-speed";
  if (wish.quick) line += " --quick";
  return line;
}

}  // namespace bench
