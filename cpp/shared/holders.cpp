#include "shared/holders.hpp"

#include <algorithm>
#include <chrono>

namespace glassheap::shared {
namespace {

// The clock's seconds, in 32 bits.
std::uint64_t now() noexcept {
  using std::chrono::duration_cast, std::chrono::seconds, std::chrono::system_clock;
  const auto since = duration_cast<seconds>(system_clock::now().time_since_epoch());
  return static_cast<std::uint32_t>(since.count());
}

constexpr Ticket bits_of_number = 32;

}  // namespace

template <typename Predicate>
Holder* Holders::find(Predicate predicate) const noexcept {
  auto* const found = std::ranges::find_if(block_.holders, predicate);
  return found == std::end(block_.holders) ? nullptr : found;
}

Holder* Holders::reference(Offset payload, Number process) const noexcept {
  return find([&](const Holder& holder) {
    return holder.payload == payload + 1 && holder.process == process && holder.ticket == 0;
  });
}

// The count of entries is raised first. A count that is too high costs a search; one that is too
// low would hide an entry.
bool Holders::enter(const Holder& holder) noexcept {
  Holder* const free = find([](const Holder& entry) { return entry.payload == 0; });
  if (free == nullptr) return false;
  ++block_.used_holders;
  crash_point();
  *free = holder;
  crash_point();
  return true;
}

bool Holders::add(Offset payload, Number process) noexcept {
  Holder* const known = reference(payload, process);
  if (known == nullptr) return enter({payload + 1, 0, process, 1});
  ++known->count;
  crash_point();
  return true;
}

void Holders::drop(Offset payload, Number process) noexcept {
  Holder* const known = reference(payload, process);
  if (known == nullptr) return;
  if (known->count == 1) {
    clear(*known);
    return;
  }
  --known->count;
  crash_point();
}

bool Holders::is_last(Offset payload, Number process) const noexcept {
  if (block_.used_holders == 0) return true;
  return std::ranges::none_of(block_.holders, [&](const Holder& holder) {
    return holder.payload == payload + 1 &&
           (holder.process != process || holder.ticket != 0 || holder.count != 1);
  });
}

std::uint32_t Holders::count(Offset payload) const noexcept {
  std::uint32_t count = 0;
  if (block_.used_holders == 0) return 0;
  for (const Holder& holder : block_.holders)
    count += holder.payload == payload + 1 ? holder.count : 0;
  return count;
}

Ticket Holders::send(Offset payload, Number process) noexcept {
  const Ticket number = ++block_.tickets % (Ticket{1} << bits_of_number);
  const Ticket ticket = now() << bits_of_number | number;
  return enter({payload + 1, ticket, process, 1}) ? ticket : 0;
}

bool Holders::take(Offset payload, Ticket ticket, Number process) noexcept {
  if (ticket == 0 || ticket == noted || block_.used_holders == 0) return false;
  Holder* const sent = find([&](const Holder& holder) {
    return holder.payload == payload + 1 && holder.ticket == ticket;
  });
  if (sent == nullptr) return false;
  adopt(*sent, process);
  return true;
}

// The process is written before the ticket is cleared. In between, the entry belongs to the process
// that opens the copy, and is dropped when that process dies.
void Holders::adopt(Holder& sent, Number process) noexcept {
  if (Holder* const known = reference(sent.payload - 1, process); known != nullptr) {
    ++known->count;
    crash_point();
    clear(sent);
    return;
  }
  sent.process = process;
  crash_point();
  sent.ticket = 0;
  crash_point();
}

Holder* Holders::noted_for(Offset payload, Number process) const noexcept {
  return find([&](const Holder& holder) {
    return holder.payload == payload + 1 && holder.process == process && holder.ticket == noted;
  });
}

bool Holders::note(Offset payload, Number process) noexcept {
  return noted_for(payload, process) != nullptr || enter({payload + 1, noted, process, 1});
}

bool Holders::take_noted(Offset payload, Number process) noexcept {
  if (block_.used_holders == 0) return false;
  Holder* const found = noted_for(payload, process);
  if (found == nullptr) return false;
  adopt(*found, process);
  return true;
}

bool Holders::drop_noted(Offset payload, Number process) noexcept {
  Holder* const found = noted_for(payload, process);
  if (found == nullptr) return false;
  clear(*found);
  return true;
}

// A clock that was set back makes no ticket old.
bool Holders::is_older(const Holder& holder, double seconds) noexcept {
  const std::uint64_t made = holder.ticket >> bits_of_number;
  const std::uint64_t today = now();
  const bool is_ticket = holder.ticket != 0 && holder.ticket != noted;
  return is_ticket && today >= made && static_cast<double>(today - made) >= seconds;
}

void Holders::clear(Holder& holder) noexcept {
  holder = {};
  crash_point();
  --block_.used_holders;
  crash_point();
}

void Holders::clear_all_of(Offset payload) noexcept {
  if (block_.used_holders == 0) return;
  for (Holder& holder : block_.holders) {
    if (holder.payload == payload + 1) clear(holder);
  }
}

void Holders::clear_all() noexcept {
  if (block_.used_holders == 0) return;
  for (Holder& holder : block_.holders) holder = {};
  block_.used_holders = 0;
}

void Holders::repair(const CoreInterface& core) noexcept {
  block_.used_holders = 0;
  for (Holder& holder : block_.holders) {
    LiveBlock live;
    Fault ignored;  // whatever the reason, no block is live there
    const bool held = holder.payload != 0 && holder.count != 0 && holder.process != 0 &&
                      holder.process <= most_processes &&
                      core.find(holder.payload - 1, live, ignored);
    if (held) {
      ++block_.used_holders;
    } else {
      holder = {};
    }
  }
}

}  // namespace glassheap::shared
