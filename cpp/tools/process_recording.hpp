// process_recording.hpp: the recording of this process: its file, and the lock before it.
//
//     the program that was started            PATH
//     every other process, by fork or exec    PATH.PID; PATH.PID.2 if that exists, and so on
//
// A process has a memory of its own, so it has a file of its own. A program creates it when it
// begins. A forked child does so in its first call, because most children become another program at
// once. A child by vfork shares the memory of its parent, which is stopped, and so the file too.
//
// One page of memory tells a child from its parent: the system clears it in the child of a fork, also
// where no fork handler runs. The child then leaves the file to its parent.
#pragma once

#include <pthread.h>

#include <atomic>
#include <csignal>

#include "call_sites.hpp"

namespace glassheap::recorder {

// Set in a thread while it is in the recorder. A call that it makes then, or that a signal handler
// makes, passes through unrecorded: the thread would wait for itself.
inline thread_local constinit volatile std::sig_atomic_t inside = 0;
inline thread_local constinit std::uint64_t thread_id = 0;  // 0: not asked for yet

// A call of the program, from its begin to its end. False if it is not to be recorded.
class Entry {
 public:
  Entry() noexcept : outermost_(inside == 0) { inside = 1; }
  ~Entry() {
    if (outermost_) inside = 0;
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  explicit operator bool() const noexcept { return outermost_; }

 private:
  bool outermost_;
};

// The one recording. It is never destroyed: the program may allocate until its last instruction.
class ProcessRecording {
 public:
  // Finds the path in the environment, and creates the file, in the first call in which there is an
  // environment. In an Entry.
  void begin() noexcept {
    if (!begun_) begin_now();
  }
  void lock() noexcept { pthread_mutex_lock(&mutex_); }
  void unlock() noexcept { pthread_mutex_unlock(&mutex_); }

  // Adds a call of this thread, at this time, with the tag of the caller unless its site is 0. In an
  // Entry, under the lock.
  void add(trace::Event event, const Caller& caller) noexcept {
    if (*ours_ == 0) open_own_file();
    if (!file_.is_open()) return;
    if (thread_id == 0) thread_id = ask_thread_id();
    event.thread = thread_id;
    event.tag = caller.site == 0 ? 0 : sites_.number_of(caller, file_);
    event.time = file_.now();
    file_.add(event);
    if (exiting_.load(std::memory_order_relaxed)) [[unlikely]]
      file_.seal();
  }
  // Forgets the callers if the loader has unloaded a library. In an Entry, without the lock: it takes
  // that of the loader, for which a thread may wait that allocates.
  [[gnu::cold]] void forget_unloaded_callers() noexcept;
  // For the child of a fork, under the lock.
  void leave_to_parent() noexcept;
  // Gives all of the file a checksum. In an Entry.
  [[gnu::cold]] void seal() noexcept;
  // The same as the program begins to exit, and then after each call that follows: by destructors of
  // other libraries, and by threads. In an Entry.
  [[gnu::cold]] void seal_from_now_on() noexcept;

 private:
  [[gnu::cold]] void begin_now() noexcept;
  [[gnu::cold]] void open_own_file() noexcept;
  [[gnu::cold]] static std::uint64_t ask_thread_id() noexcept;
  [[nodiscard]] int create_file() noexcept;
  void map_fork_mark() noexcept;
  void add_facts() noexcept;

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  bool begun_ = false;
  bool forked_ = false;
  std::atomic<bool> exiting_ = false;  // it is set without the lock
  volatile char no_page_ = 0;          // in the place of the page, if the system refuses it
  volatile char* ours_ = &no_page_;    // 0 in a process that has not opened its file
  const char* path_ = "";              // empty: nothing is recorded
  trace::TraceFile file_;
  CallSites sites_;
};

ProcessRecording& recording() noexcept;

}  // namespace glassheap::recorder
