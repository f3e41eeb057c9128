#include "heap/tag_table.hpp"

#include <algorithm>

namespace glassheap {

TagId TagTable::hold(std::string_view text, Growth growth) {
  const Guard guard(lock_, WaitMode::uninterrupted);
  if (!guard) return 0;
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    ++found->second.held;
    return found->second.id;
  }
  if (by_text_.size() < limit_) return make(text);
  if (growth == Growth::up_to_limit) return 0;
  limit_ *= 2;
  return make(text);
}

// Nothing is changed before all memory is there.
TagId TagTable::make(std::string_view text) {
  const TagId id = unused_id();
  const auto [made, _] = by_text_.try_emplace(std::string(text), Tag{id, 1});
  if (!unused_.empty() && unused_.back() == id) unused_.pop_back();
  by_id_[id] = &*made;
  node_bytes_ += bytes_of(*made);
  return id;
}

// The number for the next tag, which stays in unused_ until the tag is made. There is room in
// unused_ for every number: drop_unused() cannot fail.
TagId TagTable::unused_id() {
  if (unused_.empty()) {
    by_id_.push_back(nullptr);
    unused_.reserve(by_id_.capacity());
    unused_.push_back(static_cast<TagId>(by_id_.size() - 1));
  }
  return unused_.back();
}

void TagTable::drop(TagId tag) noexcept {
  const Guard guard(lock_, WaitMode::uninterrupted);
  if (guard && tag != 0) --by_id_[tag]->second.held;
}

void TagTable::drop_unused(const std::vector<bool>& used) noexcept {
  const Guard guard(lock_, WaitMode::uninterrupted);
  if (!guard) return;
  for (TagId id = 1; id < by_id_.size(); ++id) {
    const auto* const tag = by_id_[id];
    if (tag == nullptr || tag->second.held != 0 || (id < used.size() && used[id])) continue;
    node_bytes_ -= bytes_of(*tag);
    by_text_.erase(by_text_.find(tag->first));
    by_id_[id] = nullptr;
    unused_.push_back(id);
  }
  limit_ = std::max(least_limit, 2 * by_text_.size());
}

void TagTable::look_up(std::vector<std::optional<std::string>>& texts) const {
  const Guard guard(lock_, WaitMode::uninterrupted);
  for (TagId id = 0; guard && id < std::min(texts.size(), by_id_.size()); ++id) {
    if (texts[id].has_value() && by_id_[id] != nullptr) texts[id] = by_id_[id]->first;
  }
}

std::string_view TagTable::text_of(TagId tag) const noexcept {
  const Guard guard(lock_, WaitMode::uninterrupted);
  if (!guard || tag >= by_id_.size() || by_id_[tag] == nullptr) return {};
  return by_id_[tag]->first;
}

std::size_t TagTable::ids() const {
  const Guard guard(lock_, WaitMode::uninterrupted);
  return by_id_.size();
}

Size TagTable::own_memory() const noexcept {
  const Guard guard(lock_, WaitMode::uninterrupted);
  return node_bytes_ + by_text_.bucket_count() * sizeof(void*) + by_id_.capacity() * sizeof(void*) +
         unused_.capacity() * sizeof(TagId);
}

}  // namespace glassheap
