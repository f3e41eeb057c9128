#include "loads.hpp"

#include <stdexcept>
#include <string_view>

namespace bench {
namespace {

constexpr Size slack = 65536;

// What stands behind `prefix`, if the name begins with it.
bool cut(std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.erase(0, prefix.size());
  return true;
}

}  // namespace

Load make_load(const std::string& name) {
  std::string rest = name;
  if (cut(rest, "trace:")) return TraceLoad(read_trace(rest));
  if (cut(rest, "churn:uniform:"))
    return ChurnLoad(static_cast<std::uint32_t>(std::stoul(rest)), Sizes::uniform);
  if (cut(rest, "churn:log-normal:"))
    return ChurnLoad(static_cast<std::uint32_t>(std::stoul(rest)), Sizes::log_normal);
  if (rest == "lifo") return LifoLoad();
  throw std::runtime_error("there is no load '" + name + "'");
}

Size region_for(const Load& load) {
  return 2 * std::visit([](const auto& one) { return one.demand(); }, load) + slack;
}

}  // namespace bench
