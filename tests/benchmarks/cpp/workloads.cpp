#include "workloads.hpp"

#include <stdexcept>
#include <string_view>

namespace bench {
namespace {

constexpr Size slack = 65536;

// Removes `prefix` from the front of the name. Returns false if the name does not begin with it.
bool cut(std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.erase(0, prefix.size());
  return true;
}

}  // namespace

Workload make_workload(const std::string& name) {
  std::string rest = name;
  if (cut(rest, "trace:")) return TraceWorkload(read_trace(rest));
  if (cut(rest, "churn:uniform:"))
    return ChurnWorkload(static_cast<std::uint32_t>(std::stoul(rest)), Sizes::uniform);
  if (cut(rest, "churn:log-normal:"))
    return ChurnWorkload(static_cast<std::uint32_t>(std::stoul(rest)), Sizes::log_normal);
  if (rest == "lifo") return LifoWorkload();
  throw std::runtime_error("there is no workload '" + name + "'");
}

Size region_for(const Workload& workload) {
  return 2 * std::visit([](const auto& one) { return one.peak_bytes(); }, workload) + slack;
}

}  // namespace bench
