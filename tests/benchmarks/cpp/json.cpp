#include "json.hpp"

#include <array>
#include <cstdio>

namespace bench {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < ' ') {
      result += ' ';
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string value(double number) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.10g", number);
  return buffer.data();
}

std::string value(const std::optional<double>& number) { return number ? value(*number) : "null"; }
std::string value(bool truth) { return truth ? "true" : "false"; }
std::string value(const std::string& text) { return quoted(text); }

std::string value(const Section& section);
std::string value(const Bar& bar);

// The parts in brackets, separated by a comma and `gap`.
std::string enclosed(char open, const std::vector<std::string>& parts, char close, char gap = ' ') {
  std::string all(1, open);
  for (const std::string& part : parts) {
    if (all.size() > 1) all.append(1, ',').append(1, gap);
    all += part;
  }
  return all.append(1, close);
}

template <typename T>
std::string value(const std::vector<T>& items) {
  std::vector<std::string> parts;
  for (const T& item : items) parts.push_back(value(item));
  return enclosed('[', parts, ']');
}

std::string member(const std::string& name, const std::string& value) {
  return quoted(name).append(": ").append(value);
}

std::string object(const std::vector<std::string>& members) { return enclosed('{', members, '}'); }

std::string value(const Section& section) {
  return object({member("title", value(section.title)), member("notes", value(section.notes)),
                 member("columns", value(section.columns)), member("rows", value(section.rows))});
}

std::string value(const Bar& bar) {
  const std::string side = bar.side == Bar::Side::at_most ? "at most" : "at least";
  return object({member("what", value(bar.what)), member("side", value(side)),
                 member("limit", value(bar.limit)), member("unit", value(bar.unit)),
                 member("figure", value(bar.figure)),
                 member("reached", bar.figure ? value(bar.reached()) : "null")});
}

std::string machine(const Report& report) {
  std::vector<std::string> members;
  for (const auto& [name, fact] : report.facts) members.push_back(member(name, value(fact)));
  return object(members);
}

std::string sample(const std::string& contender, const std::string& workload, const Entry& entry) {
  return object({member("contender", value(contender)), member("load", value(workload)),
                 member("nanoseconds", value(entry.rounds)),
                 member("unsettled", value(entry.unsettled)),
                 member("region_doublings", value(static_cast<double>(entry.doublings))),
                 member("trouble", value(entry.failure))});
}

std::string samples(const Results& results) {
  std::vector<std::string> all;
  for (const auto& [key, entry] : results.entries())
    all.push_back(sample(key.first, key.second, entry));
  return enclosed('[', all, ']', '\n');
}

}  // namespace

std::string json(const Report& report, const Results& results) {
  const std::vector<std::string> members = {
      member("command", value(report.command)), member("machine", machine(report)),
      member("bars", value(report.bars)), member("sections", value(report.sections)),
      member("samples", samples(results))};
  return enclosed('{', members, '}', '\n') + "\n";
}

}  // namespace bench
