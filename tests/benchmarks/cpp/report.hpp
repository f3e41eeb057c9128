// report.hpp: the output: tables with explanatory notes, and bars.
//
// A bar is a limit that the project wants a figure to reach. Every bar is shown with its figure and
// with `reached` or `NOT REACHED`. None of them fails the run, which is a measurement and not a
// test.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bench {

struct Section {
  std::string title;
  std::vector<std::string> notes = {};  // one paragraph each
  std::vector<std::string> columns = {};
  std::vector<std::vector<std::string>> rows = {};
};

struct Bar {
  enum class Side { at_most, at_least };

  std::string what;
  Side side = Side::at_most;
  double limit = 0;
  std::string unit;
  std::optional<double> figure;  // none if it was not measured

  [[nodiscard]] bool reached() const;
};

struct Report {
  std::string command;  // to measure the same again
  std::vector<std::pair<std::string, std::string>> facts = {};
  std::vector<Section> sections = {};
  std::vector<Bar> bars = {};
};

// With the significant digits: 0.957, 1.27, 48.3, 100, 1,234.
[[nodiscard]] std::string number(double value);
[[nodiscard]] std::string number(const std::optional<double>& value);  // "-" for none
[[nodiscard]] std::string percent(double part);

[[nodiscard]] Section bar_section(const std::vector<Bar>& bars);

// For the terminal.
[[nodiscard]] std::string text(const std::vector<std::pair<std::string, std::string>>& facts);
[[nodiscard]] std::string text(const Section& section);
// A page for the documentation.
[[nodiscard]] std::string markdown(const Report& report);

}  // namespace bench
