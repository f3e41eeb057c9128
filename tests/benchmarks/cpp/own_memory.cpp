#include "own_memory.hpp"

#include <algorithm>
#include <array>

#include "ours.hpp"

namespace bench {
namespace {

constexpr std::array<Size, 4> regions{4096, Size{64} << 10, Size{1} << 20, Size{64} << 20};
constexpr Size from = Size{1} << 20;  // the bar is for regions of at least this size

Size own(const Contender& contender, Size region) {
  return OurHeap(options_for(contender.policy, contender.headers, region)).own_memory();
}

double share(Size bytes, Size region) {
  return static_cast<double>(bytes) / static_cast<double>(region);
}

std::string cell(Size bytes, Size region) {
  return percent(share(bytes, region)) + " (" + number(static_cast<double>(bytes)) + ")";
}

// A note on the smallest amount that a heap of 4,096 bytes, the default size, needs.
std::string about_a_page(const std::optional<Size>& least) {
  const std::string head = "Bytes in brackets, for a heap that was just opened.";
  if (!least) return head;
  return head + " A heap of 4,096 bytes needs at least " + number(static_cast<double>(*least)) +
         " bytes outside its region.";
}

}  // namespace

OwnMemoryTable measure_own_memory(const std::vector<Contender>& contenders) {
  Section section{.title = "Memory outside the region",
                  .columns = {"policy", "of 4 KiB", "of 64 KiB", "of 1 MiB", "of 64 MiB"}};
  std::optional<Size> least;   // bytes, of a page
  std::optional<double> most;  // percent, of a region that the bar is about
  for (const Contender& contender : contenders) {
    if (!contender.ours()) continue;
    std::vector<std::string>& row = section.rows.emplace_back(1, contender.name);
    for (const Size region : regions) {
      const Size bytes = own(contender, region);
      row.push_back(cell(bytes, region));
      if (region >= from) most = std::max(most.value_or(0), 100 * share(bytes, region));
      if (region == regions[0]) least = std::min(least.value_or(bytes), bytes);
    }
  }
  section.notes = {about_a_page(least)};
  return {section,
          {{"memory outside the region, worst policy, from 1 MiB up", Bar::Side::at_most, 3,
            "% of it", most}}};
}

}  // namespace bench
