#include "operator_new.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace glassheap::recorder {
namespace {

// operator new and new[]; each also with nothrow_t, align_val_t, and both. `m` is unsigned long.
constexpr std::array names = {
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "_ZnwmSt11align_val_tRKSt9nothrow_t",
    "_ZnamSt11align_val_tRKSt9nothrow_t",
};

constexpr std::uint32_t hash_of(const char* name) noexcept {
  std::uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

// The dynamic symbols of an object, by their GNU hash table:
//
//     | counts: 4 words | filter: a bit or two a name | buckets | hashes of the symbols from `first` on
//
// A bucket has the number of its first symbol. The last one of a bucket has an odd hash, all others
// an even one: the lowest bit is not the hash's.
class Symbols {
 public:
  explicit Symbols(const link_map& object) noexcept : base_(object.l_addr) {
    for (const ElfW(Dyn)* entry = object.l_ld; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_GNU_HASH) hash_ = table<std::uint32_t>(*entry);
      if (entry->d_tag == DT_SYMTAB) symbols_ = table<ElfW(Sym)>(*entry);
      if (entry->d_tag == DT_STRTAB) texts_ = table<char>(*entry);
    }
  }

  // Null if the object defines none of this name.
  [[nodiscard]] const ElfW(Sym) * find(const char* name) const noexcept {
    if (hash_ == nullptr || symbols_ == nullptr || texts_ == nullptr) return nullptr;
    const std::uint32_t count = hash_[0];
    const std::uint32_t first = hash_[1];
    const std::uint32_t* const buckets = hash_ + 4 + hash_[2] * sizeof(std::uintptr_t) / 4;
    const std::uint32_t* const hashes = buckets + count;
    const std::uint32_t hash = hash_of(name);
    std::uint32_t number = count == 0 ? 0 : buckets[hash % count];
    if (number < first) return nullptr;
    while ((hashes[number - first] | 1) != (hash | 1) || !is(symbols_[number], name))
      if ((hashes[number++ - first] & 1) != 0) return nullptr;
    return &symbols_[number];
  }

 private:
  // The loader has added the base to the addresses, where it may write to the table.
  template <typename Row>
  [[nodiscard]] const Row* table(const ElfW(Dyn) & entry) const noexcept {
    const std::uintptr_t place = entry.d_un.d_ptr;
    return reinterpret_cast<const Row*>(place < base_ ? place + base_ : place);
  }
  [[nodiscard]] bool is(const ElfW(Sym) & symbol, const char* name) const noexcept {
    return symbol.st_shndx != SHN_UNDEF && std::strcmp(texts_ + symbol.st_name, name) == 0;
  }

  std::uintptr_t base_;
  const std::uint32_t* hash_ = nullptr;
  const ElfW(Sym) * symbols_ = nullptr;
  const char* texts_ = nullptr;
};

}  // namespace

// The call lies before the place to which it returns.
bool is_in_operator_new(const link_map& object, std::uintptr_t site) noexcept {
  const Symbols symbols(object);
  const std::uintptr_t place = site - 1 - object.l_addr;
  return std::ranges::any_of(names, [&](const char* name) {
    const ElfW(Sym)* const symbol = symbols.find(name);
    return symbol != nullptr && place - symbol->st_value < symbol->st_size;
  });
}

}  // namespace glassheap::recorder
