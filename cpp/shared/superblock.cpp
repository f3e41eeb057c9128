#include "shared/superblock.hpp"

#include <cstring>

#include "core/policy_list.hpp"
#include "heap/units.hpp"

namespace glassheap::shared {
namespace {

constexpr std::uint64_t magic = 0x7061656873736C67;  // "glssheap", in the order of the bytes
constexpr std::uint32_t version = 5;

// Machines that differ in the byte order cannot share an image.
constexpr std::uint32_t machine = std::endian::native == std::endian::little ? 1U : 2U;

template <typename Enum>
std::uint8_t packed(const std::optional<Enum>& choice) noexcept {
  return choice ? static_cast<std::uint8_t>(static_cast<unsigned>(*choice) + 1) : std::uint8_t{0};
}
template <typename Enum>
std::optional<Enum> unpacked(std::uint8_t number) noexcept {
  if (number == 0) return std::nullopt;
  return static_cast<Enum>(number - 1);
}

std::string_view policy_of(const FixedFields& fixed) noexcept {
  return {fixed.policy, strnlen(fixed.policy, sizeof fixed.policy)};
}

Size owners_bytes(Size region) noexcept { return region / granule_size * sizeof(Number); }

// Of an offset heap: the granule is in the fields, and nothing that is about bytes.
bool sound_granule(const FixedFields& fixed) noexcept {
  constexpr unsigned most = std::countr_zero(largest_granule) + 1;
  return fixed.granule == 0 || (fixed.granule <= most && fixed.headers == 0 &&
                                fixed.zero_on_free == 0 && fixed.redzones == 0);
}

bool sound_options(const FixedFields& fixed) noexcept {
  const bool sequence = fixed.fit != 0 || fixed.order != 0 || fixed.coalesce != 0;
  return fixed.in_file <= 1 && fixed.headers <= 1 && fixed.zero_on_free <= 1 &&
         fixed.redzones <= 1 && fixed.fit <= 3 && fixed.order <= 5 && fixed.coalesce <= 2 &&
         sound_granule(fixed) && (!sequence || takes_sequence(policy_of(fixed)));
}

}  // namespace

std::uint64_t checksum(const FixedFields& fixed) noexcept {
  std::uint64_t sum = 0xCBF29CE484222325U;  // FNV-1a, Fowler, Noll and Vo
  const auto* const bytes = reinterpret_cast<const unsigned char*>(&fixed);
  for (std::size_t i = 0; i < offsetof(FixedFields, checksum); ++i)
    sum = (sum ^ bytes[i]) * 0x100000001B3U;
  return sum;
}

Superblock& superblock_of(const Segment& segment) noexcept {
  return *std::launder(reinterpret_cast<Superblock*>(segment.data()));
}

bool is_published(const Superblock& block) noexcept {
  return block.published.load(std::memory_order_acquire) == 1;
}

FixedFields lay_out(const Options& options, Size arrays) {
  FixedFields fixed;
  fixed.magic = magic;
  fixed.version = version;
  fixed.machine = machine;
  fixed.region_size = core_size(options);
  fixed.arrays_at = round_up(sizeof(Superblock), page);
  fixed.owners_at = fixed.arrays_at + round_up(arrays, page);
  fixed.region_at = fixed.owners_at + round_up(owners_bytes(fixed.region_size), page);
  fixed.total = fixed.region_at + fixed.region_size;
  std::memcpy(fixed.policy, options.policy.data(),
              std::min(options.policy.size(), sizeof fixed.policy));
  fixed.block_magic = options.magic;
  fixed.headers = options.headers ? 1 : 0;
  fixed.zero_on_free = options.zero_on_free ? 1 : 0;
  fixed.redzones = options.checks == Checks::debug ? 1 : 0;
  fixed.fit = packed(options.fit);
  fixed.order = packed(options.order);
  fixed.coalesce = packed(options.coalesce);
  fixed.granule =
      options.granule ? static_cast<std::uint8_t>(units_of(options).bits() + 1) : std::uint8_t{0};
  fixed.key = Sealer().key();
  fixed.identity = Sealer().key();
  fixed.checksum = checksum(fixed);
  return fixed;
}

Options options_of(const FixedFields& fixed) {
  Options options;
  if (fixed.granule != 0) options.granule = Size{1} << (fixed.granule - 1);
  options.size = units_of(options).to_caller(fixed.region_size);
  options.policy = policy_of(fixed);
  options.headers = fixed.headers != 0;
  options.checks = fixed.redzones != 0 ? Checks::debug : Checks::robust;
  options.magic = fixed.block_magic;
  options.zero_on_free = fixed.zero_on_free != 0;
  if (fixed.granule == 0) options.base = 0;
  options.fit = unpacked<Fit>(fixed.fit);
  options.order = unpacked<Order>(fixed.order);
  if (fixed.coalesce != 0) options.coalesce = fixed.coalesce == 2;
  return options;
}

bool refuse_image(const char* field, Fault& fault, std::uint64_t expected,
                  std::uint64_t found) noexcept {
  fault = {.kind = FaultKind::bad_image, .field = field, .expected = expected, .found = found};
  return false;
}

namespace {

bool in_order(const FixedFields& fixed) noexcept {
  return fixed.arrays_at == round_up(sizeof(Superblock), page) &&
         fixed.arrays_at < fixed.owners_at && fixed.owners_at < fixed.region_at &&
         fixed.region_at % page == 0 && fixed.region_at < fixed.total &&
         fixed.total - fixed.region_at == fixed.region_size &&
         fixed.region_size % granule_size == 0 &&
         fixed.region_at - fixed.owners_at >= owners_bytes(fixed.region_size);
}

}  // namespace

bool has_sound_front(const FixedFields& fixed, Size bytes, Fault& fault) {
  const std::uint64_t sum = checksum(fixed);
  if (bytes < sizeof(Superblock)) return refuse_image("size", fault, sizeof(Superblock), bytes);
  if (fixed.magic != magic) return refuse_image("magic", fault, magic, fixed.magic);
  if (fixed.version != version) return refuse_image("version", fault, version, fixed.version);
  if (fixed.machine != machine) return refuse_image("machine", fault, machine, fixed.machine);
  if (!is_policy(policy_of(fixed))) return refuse_image("policy", fault);
  if (!sound_options(fixed)) return refuse_image("options", fault);
  if (fixed.checksum != sum) return refuse_image("checksum", fault, sum, fixed.checksum);
  if (fixed.total > bytes) return refuse_image("size", fault, fixed.total, bytes);
  return in_order(fixed) || refuse_image("layout", fault);
}

}  // namespace glassheap::shared
