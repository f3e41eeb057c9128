#include "trace/column_builder.hpp"

#include <algorithm>

namespace glassheap::trace {
namespace {

constexpr std::uint64_t most_tags = 1 << 24;

// Appends to a column that is empty until a value is not 0. `length` is that of the full columns.
template <typename Value>
void append(std::vector<Value>& column, std::size_t length, Value value) {
  if (value == 0 && column.empty()) return;
  if (column.size() + 1 != length) column.resize(length - 1);
  column.push_back(value);
}

}  // namespace

void Columns::clear() noexcept {
  kinds.clear();
  ids.clear();
  sizes.clear();
  lines.clear();
  aligns.clear();
  tags.clear();
  threads.clear();
  times.clear();
  refused.clear();
}

bool ColumnBuilder::add_block(std::span<const std::byte> block) {
  reader_.begin_frame(block.data(), block.data() + block.size());
  while (!reader_.at_end()) {
    if (reader_.at_mark()) {
      Mark mark;
      if (!reader_.get(mark)) return false;
      add(mark);
    } else {
      Event event;
      if (!reader_.get(event)) return false;
      ++line_;
      add(event);
    }
  }
  return true;
}

void ColumnBuilder::add(const Event& event) {
  switch (event.kind) {
    case EventKind::malloc:
      allocate(event, event.address);
      break;
    case EventKind::realloc:
      resize(event);
      break;
    case EventKind::free:
      release(event);
      break;
    case EventKind::failed_malloc:
    case EventKind::failed_realloc:
    case EventKind::failed_part:
      refuse(event);
  }
}

void ColumnBuilder::add(const Mark& mark) {
  if (mark.kind == MarkKind::fact) facts.emplace_back(mark.text);
  if (mark.kind == MarkKind::reset) release_all();
  if (mark.kind != MarkKind::tag || mark.number >= most_tags) return;
  const auto next = static_cast<std::uint32_t>(tag_names.size());
  const auto [found, is_new] = tag_indices_.try_emplace(std::string(mark.text), next);
  if (is_new) tag_names.push_back(found->first);
  if (mark.number >= tags_.size()) tags_.resize(mark.number + 1);
  tags_[mark.number] = found->second;
}

void ColumnBuilder::allocate(const Event& event, std::uint64_t address) {
  if (ids_.find(address) != AddressIds::none) supersede(address);
  const std::uint32_t id = begin_block(address);
  hold(id, event.size);
  put(Operation::malloc, id, event);
}

void ColumnBuilder::resize(const Event& event) {
  const std::uint32_t id = ids_.find(event.address);
  if (id == AddressIds::none) {
    count(Oddity::unknown_realloc);
    allocate(event, event.result);
    return;
  }
  if (event.result != event.address) {
    if (ids_.find(event.result) != AddressIds::none) supersede(event.result);
    ids_.remove(event.address);
    ids_.add(addresses_[id] = event.result, id);
  }
  hold(id, event.size);
  put(Operation::realloc, id, event);
}

void ColumnBuilder::release(const Event& event) {
  const std::uint32_t id = ids_.find(event.address);
  if (id == AddressIds::none) {
    count(Oddity::unknown_free);
    return;
  }
  end_block(event.address, id);
  put(Operation::free, id, event);
}

// A reset is no call of the program: its frees have the line of the event before.
void ColumnBuilder::release_all() {
  count(Oddity::reset);
  for (std::uint32_t id = 0; id < held_.size(); ++id) {
    if (ids_.find(addresses_[id]) != id) continue;
    end_block(addresses_[id], id);
    put(Operation::free, id, {});
  }
}

void ColumnBuilder::refuse(const Event& event) {
  const bool resizes = event.kind == EventKind::failed_realloc;
  columns.refused.push_back({.position = before_ + columns.kinds.size(),
                             .line = line_,
                             .kind = resizes ? Operation::realloc : Operation::malloc,
                             .size = event.size,
                             .align = event.align,
                             .tag = tag_of(event),
                             .thread = event.thread,
                             .time = time_of(event),
                             .block = resizes ? ids_.find(event.address) : AddressIds::none,
                             .is_part = event.kind == EventKind::failed_part});
}

std::uint32_t ColumnBuilder::begin_block(std::uint64_t address) {
  auto id = static_cast<std::uint32_t>(held_.size());
  if (spare_.empty()) {
    held_.push_back(0);
    addresses_.push_back(0);
  } else {
    id = spare_.back();
    spare_.pop_back();
  }
  addresses_[id] = address;
  ids_.add(address, id);
  return id;
}

void ColumnBuilder::end_block(std::uint64_t address, std::uint32_t id) {
  ids_.remove(address);
  spare_.push_back(id);
  hold(id, 0);
}

void ColumnBuilder::supersede(std::uint64_t address) {
  count(Oddity::reused_address);
  const std::uint32_t id = ids_.find(address);
  end_block(address, id);
  put(Operation::free, id, {});
}

void ColumnBuilder::hold(std::uint32_t id, std::uint64_t size) noexcept {
  live_ += size - held_[id];
  held_[id] = size;
  peak_ = std::max(peak_, live_);
}

void ColumnBuilder::put(Operation kind, std::uint32_t id, const Event& event) {
  columns.kinds.push_back(static_cast<std::uint8_t>(kind));
  columns.ids.push_back(id);
  columns.sizes.push_back(event.size);
  columns.lines.push_back(line_);
  const std::size_t length = columns.kinds.size();
  append(columns.aligns, length, event.align);
  append(columns.tags, length, tag_of(event));
  append(columns.threads, length, event.thread);
  if (has_times_) columns.times.push_back(time_of(event));
}

void ColumnBuilder::count(Oddity oddity) noexcept {
  OddityCount& one = oddities[static_cast<std::size_t>(oddity)];
  if (one.number++ == 0) one.first = line_;
}

std::uint32_t ColumnBuilder::tag_of(const Event& event) const noexcept {
  return event.tag < tags_.size() ? tags_[event.tag] : 0;
}

std::int64_t ColumnBuilder::time_of(const Event& event) const noexcept {
  return static_cast<std::int64_t>(event.time * tick_);
}

}  // namespace glassheap::trace
