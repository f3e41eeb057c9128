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

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// Runs in the child. Like its parent it has one thread, so any function may be called here.
[[noreturn]] void exec_child(const Command& command, int output) {
  dup2(output, STDOUT_FILENO);
  if (command.quiet) dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
  if (!command.preload.empty()) setenv("LD_PRELOAD", command.preload.c_str(), 1);
  std::vector<char*> words;
  for (const std::string& word : command.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

// Returns true if there is something to read, or the end of the stream, before the deadline.
bool readable(int input, const Deadline& deadline) {
  pollfd wanted{.fd = input, .events = POLLIN, .revents = 0};
  while (true) {
    const int milliseconds = static_cast<int>(std::max(0.0, deadline.left()) * 1000);
    const int ready = poll(&wanted, 1, milliseconds);
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

// Returns false if the deadline passed before the end of the stream.
bool read_all(int input, const Deadline& deadline, std::string& output) {
  std::array<char, 1 << 16> buffer{};
  while (readable(input, deadline)) {
    const ssize_t count = read(input, buffer.data(), buffer.size());
    if (count == 0) return true;
    if (count < 0 && errno != EINTR) throw_errno("read");
    if (count > 0) output.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return false;
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw_errno("waitpid");
  }
  return status;
}

}  // namespace

Finished run(const Command& command) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno("pipe2");
  const pid_t child = fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) exec_child(command, ends[1]);
  close(ends[1]);
  Finished finished;
  finished.timed_out = !read_all(ends[0], Deadline(command.timeout), finished.output);
  close(ends[0]);
  if (finished.timed_out) kill(child, SIGKILL);
  finished.succeeded = wait_for(child) == 0 && !finished.timed_out;
  return finished;
}

}  // namespace bench
