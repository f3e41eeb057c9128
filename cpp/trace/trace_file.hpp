// trace_file.hpp: the file that a recorder writes. layout.hpp draws it.
//
// It may be used where nothing may be allocated: inside of malloc. So it has all its memory in it,
// calls the system alone, and is not locked: its owner does that.
//
// A recording ends early, with a sentence on stderr, when the disk is full: the program runs on. The
// place of the open block is taken from the disk at once, so a store in it never fails.
#pragma once

#include <cstdint>

#include "base/file_identity.hpp"
#include "trace/coding.hpp"
#include "trace/frame.hpp"

namespace glassheap::trace {

class TraceFile {
 public:
  TraceFile() = default;
  ~TraceFile() { close(); }
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  // Creates a file for addresses that are multiples of 1 << shift, with these FileFlags. Returns 0, or
  // errno: EEXIST if the name is taken (earlier_recording.hpp makes room); EBUSY if another recorder
  // takes it at that moment. `path` is copied, and clipped for messages alone. Leaves no file of its
  // own behind if it fails.
  [[nodiscard]] int create(const char* path, unsigned shift, std::uint32_t flags = 0) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return header_ != nullptr; }

  // Does nothing if the file is not open.
  template <typename Item>
  void add(const Item& item) noexcept {
    if (!is_open() || (length_ > open_capacity - room_for(item) && !flush())) return;
    auto* const at = reinterpret_cast<std::byte*>(header_ + 1);
    length_ = static_cast<std::size_t>(writer_.put(at + length_, item) - at);
    publish();
  }
  // Ticks since the file was created.
  [[nodiscard]] std::uint64_t now() const noexcept;

  // Gives the open block a checksum. What is added later has none until the next seal(), or until the
  // block is a frame. O(n) in the bytes that were added since the last one. For the process that
  // records alone.
  void seal() noexcept;
  // Seals, and closes.
  void finish() noexcept;
  // Also for a forked child, whose parent goes on with the file.
  void close() noexcept;
  // For the child at once, even if it was forked inside of add(): what it still adds goes nowhere, and
  // it does not keep the parent's lock of the file.
  void leave_to_parent() noexcept;

 private:
  static constexpr std::size_t open_capacity = largest_frame - sizeof(FileHeader);
  static constexpr std::size_t room_for(const Event& /*event*/) noexcept { return longest_event; }
  static constexpr std::size_t room_for(const Mark& mark) noexcept {
    return mark_head + std::min(mark.text.size(), longest_text);
  }
  void publish() noexcept;
  void unseal() noexcept;
  // Writes the open block as a frame. Returns false if the recording has ended.
  [[gnu::cold]] bool flush() noexcept;
  [[nodiscard]] bool write(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] int map(unsigned shift, std::uint32_t flags) noexcept;
  void end(int error) noexcept;
  void close_descriptor() noexcept;

  FileHeader* header_ = nullptr;  // mapped, with the open block behind it
  std::size_t length_ = 0;        // of the open block
  std::uint32_t number_ = 0;      // of the open block
  std::uint64_t origin_ = 0;      // nanoseconds
  EventWriter writer_;
  int file_ = -1;
  FileIdentity identity_;
  std::int64_t end_ = largest_frame;  // of the frames
  std::array<char, 256> path_{};
  PackingSpace space_;
};

}  // namespace glassheap::trace
