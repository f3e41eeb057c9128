#include "frame_rule.hpp"

#include <array>
#include <cstring>

namespace glassheap::recorder {
namespace {

constexpr std::uint64_t stack_register = 7;  // DWARF's numbers on x86-64
constexpr std::uint64_t frame_register = 6;

// DWARF's call frame instructions. Those of the first three have an operand in the lowest six bits.
enum Instruction : unsigned {
  advance_low = 0x40,
  offset_low = 0x80,
  restore_low = 0xC0,
  nop = 0x00,
  advance_1 = 0x02,  // bytes of the operand
  advance_2 = 0x03,
  advance_4 = 0x04,
  remember_state = 0x0A,
  restore_state = 0x0B,
  define_frame = 0x0C,
  define_register = 0x0D,
  define_offset = 0x0E,
  arguments_size = 0x2E,
};

// --- Bytes of a table. ---------------------------------------------------------------------------

template <typename Number>
Number number_at(const unsigned char* place) noexcept {
  Number number;
  std::memcpy(&number, place, sizeof number);
  return number;
}

std::uintptr_t address_of(const unsigned char* place) noexcept {
  return reinterpret_cast<std::uintptr_t>(place);
}

class Bytes {
 public:
  Bytes(const unsigned char* begin, const unsigned char* end) noexcept : at_(begin), end_(end) {}

  [[nodiscard]] const unsigned char* place() const noexcept { return at_; }
  [[nodiscard]] bool empty() const noexcept { return at_ >= end_; }
  void skip(std::uint64_t count) noexcept { at_ += count; }
  template <typename Number>
  Number take() noexcept {
    const auto number = number_at<Number>(at_);
    at_ += sizeof number;
    return number;
  }
  // LEB128: seven bits a byte, the lowest first.
  std::uint64_t take_unsigned() noexcept { return take_bits().bits; }
  std::int64_t take_signed() noexcept {
    const Bits read = take_bits();
    const bool negative = (*(at_ - 1) & 0x40) != 0 && read.count < 64;
    return static_cast<std::int64_t>(read.bits | (negative ? ~std::uint64_t{0} << read.count : 0));
  }

 private:
  struct Bits {
    std::uint64_t bits = 0;
    unsigned count = 0;
  };
  Bits take_bits() noexcept {
    Bits read;
    unsigned char byte = 0x80;
    for (; (byte & 0x80) != 0 && read.count < 64; read.count += 7) {
      byte = take<unsigned char>();
      read.bits |= std::uint64_t{byte & 0x7FU} << read.count;
    }
    return read;
  }

  const unsigned char* at_;
  const unsigned char* end_;
};

// --- The entry of a function. --------------------------------------------------------------------

struct FunctionEntry {
  std::uintptr_t start = 0;
  Bytes common{nullptr, nullptr};  // instructions of all functions like it
  Bytes own{nullptr, nullptr};
  std::uint64_t code_unit = 0;
  std::int64_t data_unit = 0;
};

// The entry whose function begins at or before the address. Null if the table has another encoding
// than that of all linkers: numbers of 4 bytes, relative to the table.
const unsigned char* find_entry(const unsigned char* table, std::uintptr_t address) noexcept {
  constexpr std::array<unsigned char, 4> usual = {1, 0x1B, 0x03, 0x3B};
  if (std::memcmp(table, usual.data(), usual.size()) != 0) return nullptr;
  const auto start_of = [&](std::size_t row) {
    const auto from_table = number_at<std::int32_t>(table + 12 + 8 * row);
    return address_of(table) + static_cast<std::uintptr_t>(std::int64_t{from_table});
  };
  std::size_t first = 0;
  std::size_t end = number_at<std::uint32_t>(table + 8);
  if (end == 0 || start_of(0) > address) return nullptr;
  while (end - first > 1) {
    const std::size_t middle = first + (end - first) / 2;
    (start_of(middle) <= address ? first : end) = middle;
  }
  return table + number_at<std::int32_t>(table + 12 + 8 * first + 4);
}

// Reads what functions have in common. False if it is not in the form that compilers write.
bool read_common(const unsigned char* place, FunctionEntry& entry) noexcept {
  const auto length = number_at<std::uint32_t>(place);
  const unsigned char version = place[8];
  if (number_at<std::uint32_t>(place + 4) != 0 || (version != 1 && version != 3) || place[9] != 'z')
    return false;
  Bytes bytes(place + 9, place + 4 + length);
  bytes.skip(std::strlen(reinterpret_cast<const char*>(place + 9)) + 1);
  entry.code_unit = bytes.take_unsigned();
  entry.data_unit = bytes.take_signed();
  bytes.take_unsigned();              // the register of the return address
  bytes.skip(bytes.take_unsigned());  // how addresses are written: read_entry() compares one
  entry.common = bytes;
  return true;
}

// Reads an entry. False if the address does not lie in its function.
bool read_entry(const unsigned char* place, std::uintptr_t address, FunctionEntry& entry) noexcept {
  constexpr std::uint32_t longer = 0xFFFFFFFF;  // a length of 8 bytes
  const auto length = number_at<std::uint32_t>(place);
  if (length == 0 || length == longer) return false;
  if (!read_common(place + 4 - number_at<std::uint32_t>(place + 4), entry)) return false;
  const auto start = std::int64_t{number_at<std::int32_t>(place + 8)};
  entry.start = address_of(place + 8) + static_cast<std::uintptr_t>(start);
  if (address - entry.start >= number_at<std::uint32_t>(place + 12)) return false;
  Bytes bytes(place + 16, place + 4 + length);
  bytes.skip(bytes.take_unsigned());
  entry.own = bytes;
  return true;
}

// --- The instructions. ---------------------------------------------------------------------------

// Runs the instructions up to the address. Those for other registers have no effect.
class Machine {
 public:
  Machine(const FunctionEntry& entry, std::uintptr_t address) noexcept
      : entry_(entry), address_(address), at_(entry.start) {}

  // False if there is an instruction that it does not know, or that makes the end of the frame no sum.
  bool run(FrameRule& rule) noexcept {
    if (!run(entry_.common)) return false;
    first_ = now_;
    if (!run(entry_.own)) return false;
    rule = now_.rule;
    rule.by_frame = now_.base == frame_register;
    return rule.by_frame || now_.base == stack_register;
  }

 private:
  struct State {
    std::uint64_t base = 0;  // the register
    FrameRule rule;
  };

  bool run(Bytes code) noexcept {
    while (!code.empty() && at_ <= address_)
      if (!step(code.take<unsigned char>(), code)) return false;
    return true;
  }
  void advance(std::uint64_t units) noexcept { at_ += units * entry_.code_unit; }
  void set_saved(std::uint64_t number, std::int64_t units) noexcept {
    if (number == frame_register) now_.rule.saved_frame = units * entry_.data_unit;
  }
  void restore(std::uint64_t number) noexcept {
    if (number == frame_register) now_.rule.saved_frame = first_.rule.saved_frame;
  }
  void set_end(std::uint64_t bytes) noexcept {
    now_.rule.to_end = static_cast<std::int64_t>(bytes);
  }
  bool remember() noexcept {
    if (depth_ == kept_.size()) return false;
    kept_[depth_++] = now_;
    return true;
  }
  bool recall() noexcept {
    if (depth_ == 0) return false;
    now_ = kept_[--depth_];
    return true;
  }

  // One instruction: the highest two bits are its kind, or 0.
  bool step(unsigned char code, Bytes& more) noexcept {
    const unsigned low = code & 0x3FU;
    switch (code & 0xC0U) {
      case advance_low:
        return advance(low), true;
      case offset_low:
        return set_saved(low, static_cast<std::int64_t>(more.take_unsigned())), true;
      case restore_low:
        return restore(low), true;
      default:
        return step_longer(low, more);
    }
  }
  bool step_longer(unsigned code, Bytes& more) noexcept {
    switch (code) {
      case nop:
        return true;
      case advance_1:
        return advance(more.take<std::uint8_t>()), true;
      case advance_2:
        return advance(more.take<std::uint16_t>()), true;
      case advance_4:
        return advance(more.take<std::uint32_t>()), true;
      case remember_state:
        return remember();
      case restore_state:
        return recall();
      case define_frame:
        now_.base = more.take_unsigned();
        return set_end(more.take_unsigned()), true;
      case define_register:
        return now_.base = more.take_unsigned(), true;
      case define_offset:
        return set_end(more.take_unsigned()), true;
      case arguments_size:
        return more.take_unsigned(), true;
      default:
        return false;
    }
  }

  const FunctionEntry& entry_;
  const std::uintptr_t address_;
  std::uintptr_t at_;  // the next instructions are for the code from here on
  State now_;
  State first_;
  std::array<State, 8> kept_{};
  std::size_t depth_ = 0;
};

std::uintptr_t word_at(std::uintptr_t address) noexcept {
  return number_at<std::uintptr_t>(reinterpret_cast<const unsigned char*>(address));
}

}  // namespace

// The return address may be the first of another function: the call lies before it.
bool find_frame_rule(std::uintptr_t site, const void* table, FrameRule& rule) noexcept {
  if (!knows_frames || table == nullptr) return false;
  const unsigned char* const place = find_entry(static_cast<const unsigned char*>(table), site - 1);
  FunctionEntry entry;
  return place != nullptr && read_entry(place, site - 1, entry) &&
         Machine(entry, site - 1).run(rule);
}

Caller caller_of(const Caller& callee, const FrameRule& rule) noexcept {
  constexpr std::uintptr_t largest = 1 << 16;
  const auto sum = [](std::uintptr_t address, std::int64_t bytes) {
    return address + static_cast<std::uintptr_t>(bytes);
  };
  const std::uintptr_t end = sum(rule.by_frame ? callee.frame : callee.stack, rule.to_end);
  if (end - callee.stack > largest) return {};
  const std::uintptr_t frame =
      rule.saved_frame == 0 ? callee.frame : word_at(sum(end, rule.saved_frame));
  return {word_at(end - sizeof end), end, frame};
}

}  // namespace glassheap::recorder
