#include "process_recording.hpp"

#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "trace/undisturbed.hpp"

namespace glassheap::recorder {
namespace {

constexpr unsigned shift = 3;  // malloc aligns to 8 bytes at least
constexpr unsigned most_namesakes = 1000;
constexpr int most_tries = 1000;  // for the lock, at the exit

// A program may change its environment later, so this is a copy.
constinit std::array<char, PATH_MAX> path_of_program{};
using FileName = std::array<char, PATH_MAX + 32>;

// Not getenv: some shells define their own.
const char* find_variable(const char* name_and_equals) noexcept {
  const std::size_t length = std::strlen(name_and_equals);
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (std::strncmp(*entry, name_and_equals, length) == 0) return *entry + length;
  return "";
}

void name_file(FileName& name, const char* path, unsigned number) noexcept {
  const int process = getpid();
  if (number == 0)
    std::snprintf(name.data(), name.size(), "%s", path);
  else if (number == 1)
    std::snprintf(name.data(), name.size(), "%s.%d", path, process);
  else
    std::snprintf(name.data(), name.size(), "%s.%d.%u", path, process, number);
}

// Fills `text` with the bytes of a file, as far as they fit. Returns how many there are.
std::size_t read_file(const char* path, char* text, std::size_t room) noexcept {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t length = read(file, text, room);
  close(file);
  return length < 0 ? 0 : static_cast<std::size_t>(length);
}

// Since the process began. The loader tells it with each object; the first one will do.
std::uint64_t unloaded_libraries() noexcept {
  std::uint64_t count = 0;
  const auto take_count = [](dl_phdr_info* object, std::size_t /*size*/, void* result) noexcept {
    *static_cast<std::uint64_t*>(result) = object->dlpi_subs;
    return 1;
  };
  dl_iterate_phdr(take_count, &count);
  return count;
}

// --- Forks -------------------------------------------------------------------------------------
thread_local constinit bool entered_to_fork = false;

void leave_after_fork() noexcept {
  if (!entered_to_fork) return;
  recording().unlock();
  inside = 0;
}

void before_fork() noexcept {
  entered_to_fork = inside == 0;
  if (!entered_to_fork) return;
  inside = 1;
  recording().lock();
}

// A signal handler that interrupted the recorder may fork: the child closes the file later.
void in_child() noexcept {
  if (entered_to_fork) recording().leave_to_parent();
  leave_after_fork();
}

// The destructor of the value is never called.
union Immortal {
  constexpr Immortal() : value() {}
  ~Immortal() {}
  Immortal(const Immortal&) = delete;
  Immortal& operator=(const Immortal&) = delete;
  ProcessRecording value;
};
constinit Immortal the_recording;

}  // namespace

ProcessRecording& recording() noexcept { return the_recording.value; }

void ProcessRecording::begin_now() noexcept {
  if (environ == nullptr) return;
  begun_ = true;
  const char* const path = find_variable("GLASSHEAP_TRACE=");
  const std::size_t length = std::strlen(path);
  if (length >= path_of_program.size()) return;
  std::memcpy(path_of_program.data(), path, length + 1);
  path_ = path_of_program.data();
  map_fork_mark();
  sites_.find_loader();
  pthread_atfork(before_fork, leave_after_fork, in_child);
  lock();
  open_own_file();
  unlock();
}

void ProcessRecording::map_fork_mark() noexcept {
  const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const page =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
#ifdef MADV_WIPEONFORK
  if (madvise(page, bytes, MADV_WIPEONFORK) == 0) ours_ = static_cast<volatile char*>(page);
#endif
  if (ours_ != page) munmap(page, bytes);
}

void ProcessRecording::open_own_file() noexcept {
  if (!begun_) return;
  const trace::Undisturbed here;
  const int errno_of_the_program = errno;
  leave_to_parent();
  *ours_ = 1;
  if (*path_ != '\0') {
    errno = create_file();
    if (errno == 0)
      add_facts();
    else
      dprintf(STDERR_FILENO, "glassheap: cannot record process %d to %s: %m; the program runs on\n",
              getpid(), path_);
  }
  forked_ = true;  // if it comes here again
  errno = errno_of_the_program;
}

int ProcessRecording::create_file() noexcept {
  FileName name;
  int error = EEXIST;
  for (unsigned number = forked_ ? 1 : 0; error == EEXIST && number < most_namesakes; ++number) {
    name_file(name, path_, number);
    error = file_.create(name.data(), shift, number == 0 ? 0U : trace::of_child);
  }
  return error;
}

void ProcessRecording::add_facts() noexcept {
  file_.add(trace::Mark{trace::MarkKind::fact, 0, "recorder=malloc"});
  std::array<char, trace::longest_text> text{"command="};
  const std::size_t head = std::strlen(text.data());
  const std::size_t length =
      read_file("/proc/self/cmdline", text.data() + head, text.size() - head);
  std::string_view command(text.data(), head + length);
  while (command.ends_with('\0')) command.remove_suffix(1);
  std::replace(text.data(), text.data() + command.size(), '\0', ' ');
  file_.add(trace::Mark{trace::MarkKind::fact, 0, command});
}

void ProcessRecording::leave_to_parent() noexcept {
  file_.close();
  sites_.begin_anew();
  thread_id = 0;
  *ours_ = 0;
}

void ProcessRecording::forget_unloaded_callers() noexcept {
  const std::uint64_t unloaded = unloaded_libraries();
  lock();
  sites_.forget_unloaded(unloaded);
  unlock();
}

// In a child that no handler of forks has seen, the lock may be held for ever, by a thread that is not
// there. The file is its parent's then.
void ProcessRecording::seal() noexcept {
  for (int tries = 0; *ours_ != 0 && tries < most_tries; ++tries) {
    if (pthread_mutex_trylock(&mutex_) == 0) {
      file_.seal();
      unlock();
      return;
    }
    sched_yield();
  }
}

// Also in a child that has no file yet: its first call may be one of a destructor.
void ProcessRecording::seal_from_now_on() noexcept {
  exiting_.store(true, std::memory_order_relaxed);
  seal();
}

std::uint64_t ProcessRecording::ask_thread_id() noexcept {
  return static_cast<std::uint64_t>(syscall(SYS_gettid));
}

}  // namespace glassheap::recorder
