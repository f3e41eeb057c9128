#include "base/bell.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace glassheap {

void ring(Bell bell) noexcept {
  const int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (from < 0) return;
  sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
  const int length = std::snprintf(to.sun_path + 1, sizeof to.sun_path - 1, "glassheap-bell-%08x",
                                   static_cast<unsigned>(bell >> 32));
  const auto bytes =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1) + static_cast<socklen_t>(length);
  static_cast<void>(sendto(from, &bell, sizeof bell, MSG_NOSIGNAL,
                           reinterpret_cast<const sockaddr*>(&to), bytes));
  ::close(from);
}

}  // namespace glassheap
