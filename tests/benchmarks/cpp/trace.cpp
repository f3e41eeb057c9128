#include "trace.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

#include "child.hpp"

namespace bench {
namespace {

constexpr double unpack_timeout = 60;  // seconds

// Collects the operations, and corrects those that are not valid.
class Builder {
 public:
  void allocate(std::uint64_t id, Size size) {
    const auto [place, fresh] = block_of_.try_emplace(id, trace_.blocks);
    if (!fresh && live_[place->second]) place->second = trace_.blocks;  // the old block leaks
    if (place->second == trace_.blocks) add_block();
    note(Action::allocate, place->second, size);
  }

  void reallocate(std::uint64_t id, Size size) {
    const auto place = block_of_.find(id);
    if (place != block_of_.end() && live_[place->second]) {
      note(Action::reallocate, place->second, size);
    } else {
      allocate(id, size);
    }
  }

  void release(std::uint64_t id) {
    const auto place = block_of_.find(id);
    if (place != block_of_.end() && live_[place->second]) note(Action::release, place->second, 0);
  }

  [[nodiscard]] Trace finish() {
    for (std::uint32_t block = 0; block < trace_.blocks; ++block) {
      if (live_[block]) note(Action::release, block, 0);
    }
    return std::move(trace_);
  }

 private:
  void add_block() {
    ++trace_.blocks;
    live_.push_back(false);
    sizes_.push_back(0);
  }

  void note(Action action, std::uint32_t block, Size size) {
    if (live_[block]) {
      payload_ -= sizes_[block];
      taken_ -= taken(sizes_[block]);
    }
    live_[block] = action != Action::release;
    sizes_[block] = size;
    if (live_[block]) {
      payload_ += size;
      taken_ += taken(size);
    }
    trace_.peak_payload = std::max(trace_.peak_payload, payload_);
    trace_.peak_taken = std::max(trace_.peak_taken, taken_);
    trace_.operations.push_back({action, block, size});
  }

  Trace trace_;
  std::unordered_map<std::uint64_t, std::uint32_t> block_of_;  // by id
  std::vector<bool> live_;                                     // by block
  std::vector<Size> sizes_;                                    // by block
  Size payload_ = 0;
  Size taken_ = 0;
};

// The words of one line.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  // The next word between blanks; empty at the end.
  std::string_view next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r"), rest_.size()));
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t\r"));
    rest_.remove_prefix(word.size());
    return word;
  }

 private:
  std::string_view rest_;
};

// Reads a whole word as a number of at most `most`.
bool number(std::string_view word, std::uint64_t most, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size() && value <= most;
}

constexpr std::uint64_t any = std::numeric_limits<std::uint64_t>::max();

bool read_script_line(std::string_view line, Builder& builder) {
  Words words(line.substr(0, line.find('#')));
  const std::string_view action = words.next();
  if (action.empty()) return true;
  const char letter = action[0];
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  const bool sound = number(words.next(), any, id) &&
                     (letter == 'f' || number(words.next(), glassheap::largest_region, size)) &&
                     words.next().empty();
  if (!sound) return false;
  if (letter == 'a') builder.allocate(id, size);
  if (letter == 'r') builder.reallocate(id, size);
  if (letter == 'f') builder.release(id);
  return letter == 'a' || letter == 'r' || letter == 'f';
}

// Reads the number between `name` and a closing bracket.
bool argument(std::string_view line, std::string_view name, std::uint64_t& value) {
  if (!line.starts_with(name)) return false;
  line.remove_prefix(name.size());
  return number(line.substr(0, line.find(')')), glassheap::largest_region, value);
}

template <typename Read>
Trace parse(std::string_view text, Read read) {
  Builder builder;
  for (std::size_t count = 1; !text.empty(); ++count) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (!read(line, builder))
      throw std::runtime_error("line " + std::to_string(count) + " is no operation: '" +
                               std::string(line.substr(0, 40)) + "'");
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return builder.finish();
}

bool packed(const std::filesystem::path& file) { return file.extension() == ".gz"; }

// The last suffix that is not .gz.
std::string grammar(const std::filesystem::path& file) {
  return (packed(file) ? file.stem() : file).extension().string();
}

std::string unpacked(const std::filesystem::path& file) {
  Finished gzip = run({.words = {"gzip", "-cd", file.string()}, .timeout = unpack_timeout});
  if (!gzip.succeeded) throw std::runtime_error("gzip cannot unpack it");
  return std::move(gzip.output);
}

std::string contents(const std::filesystem::path& file) {
  if (packed(file)) return unpacked(file);
  const std::ifstream input(file, std::ios::binary);
  if (!input) throw std::runtime_error("it cannot be read");
  std::ostringstream text;
  text << input.rdbuf();
  return text.str();
}

}  // namespace

Trace parse_script(std::string_view text) { return parse(text, read_script_line); }

Trace parse_wee_alloc(std::string_view text) {
  std::uint64_t allocations = 0;
  return parse(text, [&](std::string_view line, Builder& builder) {
    std::uint64_t value = 0;
    if (argument(line, "Alloc(", value)) builder.allocate(allocations++, value);
    if (argument(line, "Free(", value)) builder.release(value);
    return true;
  });
}

Trace read_trace(const std::filesystem::path& file) {
  try {
    const std::string text = contents(file);
    Trace trace = grammar(file) == ".trace" ? parse_wee_alloc(text) : parse_script(text);
    if (trace.operations.empty()) throw std::runtime_error("there is no operation in it");
    return trace;
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(file.string() + ": " + error.what());
  }
}

std::vector<std::filesystem::path> traces_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string suffix = grammar(entry.path());
    if (suffix == ".script" || suffix == ".trace") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::string trace_name(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  return name.substr(0, name.find('.'));
}

}  // namespace bench
