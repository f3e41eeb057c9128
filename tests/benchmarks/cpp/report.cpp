#include "report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>

namespace bench {
namespace {

using Row = std::vector<std::string>;

constexpr std::size_t line_width = 100;

constexpr const char* introduction = R"(# Cost of placement

Time and memory of each policy, with headers and without, beside other allocators: recorded programs
and synthetic loads, played by a C++ program through `glassheap::Heap`, the interface under the
Python bindings, with all checks on. The program writes this page itself. In a clone, this command
builds the program, runs it, and writes the page again:

    tests/benchmarks/run --traces FOLDER

Every turn is a process of its own, under the same rules for all contenders: a load fills the heap,
runs until the heap has settled, and only then runs against the clock, in processor time. Contenders
take turns in rounds. A figure is the median of the rounds, with their minimum and maximum in
brackets. A ratio is the median of the rounds' ratios. The files in `tests/benchmarks/cpp` have the
details.
)";

std::string formatted(const char* format, double value) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, value);
  return buffer.data();
}

// Formats 1234567 as 1,234,567.
std::string grouped(double value) {
  std::string digits = formatted("%.0f", value);
  for (std::size_t place = digits.size(); place > 3 && digits[place - 4] != '-';) {
    place -= 3;
    digits.insert(place, 1, ',');
  }
  return digits;
}

// The words of a paragraph on lines of at most `line_width` characters; a longer word has its own.
std::string wrapped(const std::string& paragraph) {
  std::istringstream words(paragraph);
  std::string lines;
  std::size_t used = 0;
  for (std::string word; words >> word; used += word.size()) {
    const bool fits = used + 1 + word.size() <= line_width;
    if (!lines.empty()) lines += fits ? ' ' : '\n';
    used = lines.empty() || !fits ? 0 : used + 1;
    lines += word;
  }
  return lines;
}

// The length of the longest cell in each column.
std::vector<std::size_t> widths(const std::vector<Row>& rows) {
  std::vector<std::size_t> found(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) found[i] = std::max(found[i], row[i].size());
  }
  return found;
}

// The first column is aligned left, the others right.
std::string aligned(const Row& row, const std::vector<std::size_t>& widths) {
  std::string line = row[0];
  line.append(widths[0] - row[0].size(), ' ');
  for (std::size_t i = 1; i < row.size(); ++i)
    line.append(2 + widths[i] - row[i].size(), ' ').append(row[i]);
  return line += '\n';
}

std::string table(const Section& section) {
  std::vector<Row> rows = section.rows;
  rows.insert(rows.begin(), section.columns);
  std::string lines;
  const std::vector<std::size_t> column_widths = widths(rows);
  for (const Row& row : rows) lines += aligned(row, column_widths);
  return lines;
}

std::string markdown_row(const Row& row) {
  std::string line = "|";
  for (const std::string& cell : row) line.append(" ").append(cell).append(" |");
  return line += '\n';
}

std::string markdown(const Section& section) {
  std::string lines = "## ";
  lines.append(section.title).append("\n\n");
  for (const std::string& note : section.notes) lines.append(wrapped(note)).append("\n\n");
  if (section.rows.empty()) return lines;
  Row rule(section.columns.size(), "--:");
  rule[0] = ":--";
  lines += markdown_row(section.columns) + markdown_row(rule);
  for (const Row& row : section.rows) lines += markdown_row(row);
  return lines + "\n";
}

std::string side(const Bar& bar) {
  std::string words = bar.side == Bar::Side::at_most ? "at most " : "at least ";
  return words.append(number(bar.limit)).append(bar.unit);
}

Row row(const Bar& bar) {
  if (!bar.figure) return {bar.what, side(bar), "not measured", "-"};
  return {bar.what, side(bar), number(bar.figure) + bar.unit,
          bar.reached() ? "reached" : "NOT REACHED"};
}

}  // namespace

bool Bar::reached() const {
  if (!figure) return false;
  return side == Side::at_most ? *figure <= limit : *figure >= limit;
}

std::string number(double value) {
  if (std::abs(value) >= 1000 || value == std::trunc(value)) return grouped(value);
  if (std::abs(value) >= 10) return formatted("%.1f", value);
  return formatted(std::abs(value) >= 1 ? "%.2f" : "%.3f", value);
}

std::string number(const std::optional<double>& value) { return value ? number(*value) : "-"; }

std::string percent(double part) { return formatted("%.1f%%", part * 100); }

Section bar_section(const std::vector<Bar>& bars) {
  Section section{.title = "The bars", .columns = {"what", "bar", "figure", "verdict"}};
  for (const Bar& bar : bars) section.rows.push_back(row(bar));
  return section;
}

std::string text(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string lines;
  for (const auto& [name, value] : facts) {
    lines.append(name).append(1, ':').append(name.size() < 19 ? 19 - name.size() : 1, ' ');
    lines.append(value).append(1, '\n');
  }
  return lines;
}

std::string text(const Section& section) {
  std::string lines = section.title;
  lines.append("\n").append(section.title.size(), '=').append("\n");
  for (const std::string& note : section.notes) lines.append(wrapped(note)).append("\n");
  if (!section.rows.empty()) lines.append("\n").append(table(section));
  return lines;
}

std::string markdown(const Report& report) {
  std::string page = introduction;
  page.append("\nMeasured by `").append(report.command).append("`, on:\n\n");
  for (const auto& [name, value] : report.facts)
    page.append("- ").append(name).append(": ").append(value).append("\n");
  page.append("\n").append(markdown(bar_section(report.bars)));
  for (const Section& section : report.sections) page += markdown(section);
  page.pop_back();  // one line break ends a page
  return page;
}

}  // namespace bench
