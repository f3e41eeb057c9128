#include "child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>

#include "clock.hpp"

namespace bench {
namespace {

[[noreturn]] void complain(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// In the child, which has one thread, as its parent has: everything is allowed.
[[noreturn]] void become(const Command& command, int output) {
  dup2(output, STDOUT_FILENO);
  if (command.quiet) dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
  if (!command.preload.empty()) setenv("LD_PRELOAD", command.preload.c_str(), 1);
  std::vector<char*> words;
  for (const std::string& word : command.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

// Whether there is something to read, or the end of it, before the deadline.
bool readable(int input, const Deadline& deadline) {
  pollfd wanted{.fd = input, .events = POLLIN, .revents = 0};
  while (true) {
    const int milliseconds = static_cast<int>(std::max(0.0, deadline.left()) * 1000);
    const int ready = poll(&wanted, 1, milliseconds);
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

// False if the deadline passed before the end.
bool read_all(int input, const Deadline& deadline, std::string& output) {
  std::array<char, 1 << 16> buffer{};
  while (readable(input, deadline)) {
    const ssize_t count = read(input, buffer.data(), buffer.size());
    if (count == 0) return true;
    if (count < 0 && errno != EINTR) complain("read");
    if (count > 0) output.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return false;
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) complain("waitpid");
  }
  return status;
}

}  // namespace

Finished run(const Command& command) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) complain("pipe2");
  const pid_t child = fork();
  if (child < 0) complain("fork");
  if (child == 0) become(command, ends[1]);
  close(ends[1]);
  Finished finished;
  finished.late = !read_all(ends[0], Deadline(command.patience), finished.output);
  close(ends[0]);
  if (finished.late) kill(child, SIGKILL);
  finished.well = wait_for(child) == 0 && !finished.late;
  return finished;
}

}  // namespace bench
