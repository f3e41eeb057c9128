// recorded_file.hpp: the calls in a recording, as they were added (trace/layout.hpp).
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "trace/coding.hpp"
#include "trace/frame.hpp"

namespace glassheap {

struct RecordedFile {
  std::vector<trace::Event> events;
  std::vector<std::string> tags;  // the text of each event's tag; empty: none
  std::vector<std::string> facts;
  std::vector<std::size_t> resets;  // the number of events before each
};

namespace recorded_file {

class Reader {
 public:
  explicit Reader(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
    std::memcpy(&header_, bytes_.data(), sizeof header_);
    events_ = trace::EventReader(header_.shift);
  }

  // Throws std::runtime_error if a byte is wrong.
  RecordedFile read() {
    std::size_t at = sizeof header_ + header_.open_capacity;
    while (at < bytes_.size()) at = add_frame(at);
    const auto length = static_cast<std::uint32_t>(header_.open);
    if (header_.open >> 32 == frames_) add({place(sizeof header_), length});
    return std::move(found_);
  }

 private:
  [[nodiscard]] const std::byte* place(std::size_t at) const {
    return reinterpret_cast<const std::byte*>(bytes_.data()) + at;
  }
  static void require(bool holds) {
    if (!holds) throw std::runtime_error("the recording is damaged");
  }
  std::size_t add_frame(std::size_t at) {
    trace::FrameHeader frame;
    std::memcpy(&frame, place(at), sizeof frame);
    std::vector<std::byte> plain(trace::largest_frame);
    require(frame.number == frames_++);
    require(trace::open_frame(frame, {place(at + sizeof frame), frame.packed}, plain));
    add({plain.data(), frame.plain});
    return at + sizeof frame + frame.packed;
  }
  void add(std::span<const std::byte> block) {
    events_.begin_frame(block.data(), block.data() + block.size());
    while (!events_.at_end()) events_.at_mark() ? add_mark() : add_event();
  }
  void add_event() {
    trace::Event event;
    require(events_.get(event));
    found_.events.push_back(event);
    found_.tags.push_back(event.tag == 0 ? "" : tags_.at(event.tag));
  }
  void add_mark() {
    trace::Mark mark;
    require(events_.get(mark));
    const std::string text(mark.text);
    if (mark.kind == trace::MarkKind::fact) found_.facts.push_back(text);
    if (mark.kind == trace::MarkKind::reset) found_.resets.push_back(found_.events.size());
    if (mark.kind == trace::MarkKind::tag) tags_[mark.number] = text;
  }

  std::string bytes_;
  trace::FileHeader header_;
  trace::EventReader events_;
  std::uint32_t frames_ = 0;
  std::map<std::uint64_t, std::string> tags_;
  RecordedFile found_;
};

}  // namespace recorded_file

inline RecordedFile read_recorded(const std::string& path) {
  return recorded_file::Reader(path).read();
}

}  // namespace glassheap
