// tag_table.hpp: the texts of the tags of one heap, each kept once, by number.
//
//     by_text_    "request-17" -> {id 3, held 1}    "cache" -> {id 1, held 0}
//     by_id_      1 -> "cache"   2 -> (unused)   3 -> "request-17"
//
// A program may make a tag for each request that it serves, so the table must not grow for ever. A
// tag is in use while somebody holds it, and while a live block has it. When the table has twice as
// many tags as were in use the last time, its owner looks for those in use and drops the others;
// their numbers are given to later tags. Cost: O(1) amortised for a tag; the lock is an inner one.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/lock.hpp"
#include "glassheap/owners.hpp"

namespace glassheap {

class TagTable {
 public:
  // Throws std::bad_alloc.
  explicit TagTable(bool multithreaded) : lock_(multithreaded, LockRank::inner) {}

  enum class Growth : std::uint8_t { up_to_limit, any };
  // Adds a holder to the tag of that text, which is made if there is none. Returns its number; 0 if
  // it would be made and the limit is reached, or inside a signal handler that has interrupted a
  // call on this table. Throws std::bad_alloc.
  [[nodiscard]] TagId hold(std::string_view text, Growth growth);
  void drop(TagId tag) noexcept;

  // Drops the tags that nobody holds and that are not in use: used[id] is true for those that are.
  void drop_unused(const std::vector<bool>& used) noexcept;

  // Sets texts[id] for each `id` with texts[id].has_value(). Throws std::bad_alloc.
  void look_up(std::vector<std::optional<std::string>>& texts) const;

  // The text of a tag, for as long as it is in use or held; empty for a number that is no tag's.
  [[nodiscard]] std::string_view text_of(TagId tag) const noexcept;

  // The highest number that a tag has had, and one more.
  [[nodiscard]] std::size_t ids() const;
  [[nodiscard]] Size own_memory() const noexcept;

 private:
  struct Tag {
    TagId id = 0;
    std::uint32_t held = 0;
  };
  struct Hash {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using ByText = std::unordered_map<std::string, Tag, Hash, std::equal_to<>>;
  static constexpr std::size_t least_limit = 1024;

  // Bytes of a node: a link, a hash, the tag and its text.
  [[nodiscard]] static Size bytes_of(const ByText::value_type& node) noexcept {
    return 2 * sizeof(void*) + sizeof node + node.first.capacity();
  }
  [[nodiscard]] TagId unused_id();
  TagId make(std::string_view text);

  mutable Lock lock_;
  ByText by_text_;
  std::vector<ByText::value_type*> by_id_{nullptr};  // nodes of by_text_; null for an unused number
  std::vector<TagId> unused_;
  std::size_t limit_ = least_limit;
  Size node_bytes_ = 0;
};

}  // namespace glassheap
