// column_builder.hpp: the events of a recording as operations that can be replayed without a check.
//
// A recording may have begun late, and so frees blocks that it does not know. Each case is resolved
// here, and counted:
//
//     in the recording                 in the columns             oddity
//     malloc at a dead address         the malloc
//     malloc at a live address         a free, and the malloc     reused_address
//     free of an unknown block         nothing                    unknown_free
//     realloc of an unknown block      a malloc                   unknown_realloc
//     a request that failed            an entry in `refused`
//     a reset                          a free of each live block reset
//
// The number of a freed block is used again, so the numbers are as few as the blocks that live at a
// time.
#pragma once

#include <array>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "trace/address_ids.hpp"
#include "trace/coding.hpp"
#include "trace/layout.hpp"

namespace glassheap::trace {

enum class Operation : std::uint8_t { malloc, realloc, free };

enum class Oddity : std::uint8_t { unknown_free, unknown_realloc, reused_address, reset };
inline constexpr std::size_t oddity_count = 4;

struct OddityCount {
  std::uint64_t number = 0;
  std::uint64_t first = 0;  // the event, counted from 1
};

struct RefusedRequest {
  std::uint64_t position;  // the operations before it
  std::uint64_t line;      // the event, counted from 1
  Operation kind;
  std::uint64_t size;
  std::uint64_t align;
  std::uint32_t tag;
  std::uint64_t thread;
  std::int64_t time;    // nanoseconds
  std::uint32_t block;  // that was to be resized; AddressIds::none: unknown, or no realloc
  bool is_part;         // of a batch that failed for the size of a later request
};

// A batch of operations. `aligns`, `tags` and `threads` stay empty until one has a value that is not
// 0; `times` is empty if the recording has none.
struct Columns {
  std::vector<std::uint8_t> kinds;
  std::vector<std::uint32_t> ids;
  std::vector<std::uint64_t> sizes;  // bytes
  std::vector<std::uint64_t> lines;
  std::vector<std::uint64_t> aligns;
  std::vector<std::uint32_t> tags;
  std::vector<std::uint64_t> threads;
  std::vector<std::int64_t> times;  // nanoseconds
  std::vector<RefusedRequest> refused;

  void clear() noexcept;
};

class ColumnBuilder {
 public:
  explicit ColumnBuilder(const FileHeader& header)
      : reader_(header.shift), tick_(header.tick), has_times_((header.flags & has_times) != 0) {}

  // Adds the events of an open block or of an unpacked frame. Returns false if it is damaged: the
  // events before the damage are added. Throws std::bad_alloc.
  [[nodiscard]] bool add_block(std::span<const std::byte> block);

  Columns columns;
  std::vector<std::string> tag_names{{}};  // the first is that of operations without a tag
  std::vector<std::string> facts;
  std::array<OddityCount, oddity_count> oddities{};
  [[nodiscard]] std::uint64_t events() const noexcept { return line_; }
  [[nodiscard]] std::size_t id_count() const noexcept { return held_.size(); }
  [[nodiscard]] std::uint64_t peak_live() const noexcept { return peak_; }

 private:
  void add(const Event& event);
  void add(const Mark& mark);
  void allocate(const Event& event, std::uint64_t address);
  void resize(const Event& event);
  void release(const Event& event);
  void release_all();
  void refuse(const Event& event);

  // The parts of an operation. A block begins at an address that no live block has.
  [[nodiscard]] std::uint32_t begin_block(std::uint64_t address);
  void end_block(std::uint64_t address, std::uint32_t id);
  void supersede(std::uint64_t address);
  void hold(std::uint32_t id, std::uint64_t size) noexcept;
  void put(Operation kind, std::uint32_t id, const Event& event);
  void count(Oddity oddity) noexcept;
  [[nodiscard]] std::uint32_t tag_of(const Event& event) const noexcept;
  [[nodiscard]] std::int64_t time_of(const Event& event) const noexcept;

  EventReader reader_;
  std::uint64_t tick_;
  bool has_times_;
  std::uint64_t line_ = 0;    // events so far
  std::uint64_t before_ = 0;  // operations in earlier batches

  AddressIds ids_;
  std::vector<std::uint64_t> held_;       // the size of the block of each number
  std::vector<std::uint64_t> addresses_;  // its address
  std::vector<std::uint32_t> spare_;      // numbers of freed blocks
  std::unordered_map<std::string, std::uint32_t> tag_indices_{{{}, 0}};  // of tag_names
  std::vector<std::uint32_t> tags_{0};  // the index of each tag's name, by its number in the file
  std::uint64_t live_ = 0;
  std::uint64_t peak_ = 0;

 public:
  // Begins the next batch.
  void begin_batch() noexcept {
    before_ += columns.kinds.size();
    columns.clear();
  }
};

}  // namespace glassheap::trace
