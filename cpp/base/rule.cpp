#include <array>

#include "base/enum_table.hpp"
#include "glassheap/fault.hpp"

// The rules of a sound heap: a row for each, with its name and the part that was overwritten.

namespace glassheap {
namespace {

struct RuleRow {
  Rule key;
  const char* name;
  DamagedPart part;
};

namespace rules {
using enum DamagedPart;
constexpr std::array rows = {
    RuleRow{Rule::none, "", other},
    RuleRow{Rule::magic, "magic", front},
    RuleRow{Rule::size, "size", front},
    RuleRow{Rule::seal, "seal", front},
    RuleRow{Rule::node_size, "node size", front},
    RuleRow{Rule::next, "next", front},
    RuleRow{Rule::record, "record", front},
    RuleRow{Rule::head, "head", other},
    RuleRow{Rule::listed, "listed", other},
    RuleRow{Rule::neighbours, "neighbours", other},
    RuleRow{Rule::coverage, "coverage", other},
    RuleRow{Rule::counters, "counters", other},
    RuleRow{Rule::redzone, "redzone", back},
    RuleRow{Rule::fill, "fill", other},
    RuleRow{Rule::sentinel, "sentinel", other},
};
}  // namespace rules
static_assert(has_row_for_each(rules::rows, Rule::sentinel));

const RuleRow& row_of(Rule rule) noexcept { return rules::rows[static_cast<std::size_t>(rule)]; }

}  // namespace

const char* name_of(Rule rule) noexcept { return row_of(rule).name; }
DamagedPart damaged_part(Rule rule) noexcept { return row_of(rule).part; }

}  // namespace glassheap
