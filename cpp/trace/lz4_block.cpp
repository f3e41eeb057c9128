#include "trace/lz4_block.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace glassheap::trace {
namespace {

constexpr std::size_t shortest_match = 4;
constexpr std::size_t last_literals = 5;
constexpr std::size_t match_margin = 12;  // no match begins in the last bytes
constexpr std::size_t token_limit = 15;   // a length from here on goes on behind the token

std::uint32_t load_32(const std::byte* at) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Multiplicative hashing (Knuth, The Art of Computer Programming, volume 3, 6.4).
std::size_t slot_of(const std::byte* at) noexcept { return load_32(at) * 2654435761U >> 20; }

// The bytes that a sequence takes at most.
std::size_t room_for(std::size_t literals, std::size_t match) noexcept {
  return 1 + literals / 255 + 1 + literals + 2 + match / 255 + 1;
}

std::byte* put_more(std::byte* out, std::size_t length) noexcept {
  if (length < token_limit) return out;
  length -= token_limit;
  for (; length >= 255; length -= 255) *out++ = std::byte{255};
  *out = static_cast<std::byte>(length);
  return out + 1;
}

std::byte* put_literals(std::byte* out, std::span<const std::byte> literals,
                        std::size_t match) noexcept {
  const std::size_t upper = std::min(literals.size(), token_limit);
  *out++ = static_cast<std::byte>(upper << 4 | std::min(match, token_limit));
  out = put_more(out, literals.size());
  return std::copy_n(literals.data(), literals.size(), out);
}

// `match` is the length less shortest_match.
std::byte* put_sequence(std::byte* out, std::span<const std::byte> literals, std::size_t offset,
                        std::size_t match) noexcept {
  out = put_literals(out, literals, match);
  *out++ = static_cast<std::byte>(offset & 0xFF);
  *out++ = static_cast<std::byte>(offset >> 8);
  return put_more(out, match);
}

std::size_t common_length(const std::byte* a, const std::byte* b, const std::byte* end) noexcept {
  const std::byte* const begin = a;
  while (a != end && *a == *b) ++a, ++b;
  return static_cast<std::size_t>(a - begin);
}

// Byte by byte where the match overlaps what it makes.
void repeat(std::byte* to, std::size_t offset, std::size_t length) noexcept {
  const std::byte* const from = to - offset;
  if (offset >= length) {
    std::memcpy(to, from, length);
    return;
  }
  for (std::size_t i = 0; i < length; ++i) to[i] = from[i];
}

// Reads a block, and writes what is in it. The steps return false if the block is damaged.
class Unpacker {
 public:
  Unpacker(std::span<const std::byte> packed, std::span<std::byte> out) noexcept
      : packed_(packed), out_(out) {}

  // A sequence: its literals, and its match unless it is the last one.
  bool step() noexcept {
    if (packed_.empty()) return false;
    const auto token = static_cast<std::size_t>(take(1)[0]);
    return put_literals(token >> 4) && (packed_.empty() || put_match(token & token_limit));
  }
  [[nodiscard]] bool at_end() const noexcept { return packed_.empty(); }
  [[nodiscard]] bool is_full() const noexcept { return done_ == out_.size(); }

 private:
  std::span<const std::byte> take(std::size_t bytes) noexcept {
    const std::span taken = packed_.first(bytes);
    packed_ = packed_.subspan(bytes);
    return taken;
  }
  // A length that goes on behind the token.
  bool get_more(std::size_t& length) noexcept {
    if (length < token_limit) return true;
    while (!packed_.empty()) {
      const auto more = static_cast<std::size_t>(take(1)[0]);
      length += more;
      if (more != 255) return true;
    }
    return false;
  }
  bool put_literals(std::size_t length) noexcept {
    if (!get_more(length) || length > packed_.size() || length > room()) return false;
    std::ranges::copy(take(length), out_.data() + done_);
    done_ += length;
    return true;
  }
  bool put_match(std::size_t length) noexcept {
    if (packed_.size() < 2) return false;
    const std::span low_high = take(2);
    const auto offset =
        static_cast<std::size_t>(low_high[0]) | static_cast<std::size_t>(low_high[1]) << 8;
    if (!get_more(length)) return false;
    length += shortest_match;
    if (offset == 0 || offset > done_ || length > room()) return false;
    repeat(out_.data() + done_, offset, length);
    done_ += length;
    return true;
  }
  [[nodiscard]] std::size_t room() const noexcept { return out_.size() - done_; }

  std::span<const std::byte> packed_;  // what is not read yet
  std::span<std::byte> out_;
  std::size_t done_ = 0;  // bytes of `out_`
};

}  // namespace

std::size_t pack_block(std::span<const std::byte> plain, std::span<std::byte> out,
                       MatchTable& table) noexcept {
  table.fill(0);
  const std::byte* const begin = plain.data();
  const std::byte* const end = begin + plain.size();
  const std::byte* literals = begin;
  std::byte* to = out.data();
  const auto has_room = [&](std::size_t bytes) {
    return std::cmp_less_equal(bytes, out.data() + out.size() - to);
  };
  for (const std::byte* at = begin + 1; at + match_margin < end;) {
    std::uint16_t& seen = table[slot_of(at)];
    const std::byte* const before = begin + seen;
    seen = static_cast<std::uint16_t>(at - begin);
    if (load_32(before) != load_32(at)) {
      at += 1 + ((at - literals) >> 6);  // faster through what does not repeat
      continue;
    }
    const std::size_t match =
        common_length(at + shortest_match, before + shortest_match, end - last_literals);
    const auto run = static_cast<std::size_t>(at - literals);
    if (!has_room(room_for(run, match))) return 0;
    to = put_sequence(to, {literals, run}, static_cast<std::size_t>(at - before), match);
    at += shortest_match + match;
    literals = at;
  }
  const auto rest = static_cast<std::size_t>(end - literals);
  if (!has_room(room_for(rest, 0))) return 0;
  to = put_literals(to, {literals, rest}, 0);
  return static_cast<std::size_t>(to - out.data());
}

bool unpack_block(std::span<const std::byte> packed, std::span<std::byte> out) noexcept {
  Unpacker unpacker(packed, out);
  do {
    if (!unpacker.step()) return false;
  } while (!unpacker.at_end());
  return unpacker.is_full();
}

}  // namespace glassheap::trace
