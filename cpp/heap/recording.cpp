#include "heap/recording.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <new>

#include "base/lock.hpp"

namespace glassheap {
namespace {

// The kernel's number of the calling thread. A child that was forked has another one.
std::uint64_t this_thread_id(unsigned forks) noexcept {
  struct Known {
    std::uint64_t thread = 0;
    unsigned forks = 0;
  };
  static thread_local constinit Known known;
  if (known.thread == 0 || known.forks != forks) [[unlikely]]
    known = {static_cast<std::uint64_t>(syscall(SYS_gettid)), forks};
  return known.thread;
}

}  // namespace

Announced& announced() noexcept {
  static thread_local constinit Announced by_thread;
  return by_thread;
}

std::unique_ptr<Recording> Recording::create(const Options& options, Fault& fault) {
  if (!options.record) return nullptr;
  const std::string& path = *options.record;
  std::unique_ptr<Recording> made(new Recording(path, fork_count()));
  const int error = made->open(options.granule.value_or(granule_size));
  if (error == 0) return made;
  fault = {.kind = FaultKind::system_error, .system_error = error, .field = "record"};
  return nullptr;
}

Recording::~Recording() {
  const std::lock_guard guard(mutex());
  delist();
  if (!kept_ && !inherited_) undo();
  inherited_ ? file_.close() : file_.finish();
}

void Recording::undo() noexcept {
  if (file_.is_open()) unlink(path_.c_str());
  earlier_.put_back();
}

void Recording::keep(Recording* begun) noexcept {
  if (begun == nullptr) return;
  begun->earlier_.remove();
  begun->kept_ = true;
}

int Recording::open(Size granule) {
  if (path_.find('\0') != std::string::npos) return EINVAL;
  expect_forks();
  const std::lock_guard guard(mutex());
  if (const int reason = earlier_.set_aside()) return reason;
  const auto shift = static_cast<unsigned>(std::countr_zero(granule));
  const int error = file_.create(path_.c_str(), shift);
  if (error == 0) enlist();
  return error == EEXIST ? EBUSY : error;  // another process has created the file since
}

// A signal handler that forks may have interrupted a call: so the file is closed at the next one.
void Recording::let_go() noexcept {
  file_.leave_to_parent();
  inherited_ = true;
}

bool Recording::is_on() noexcept {
  if (inherited_) [[unlikely]]
    file_.close();
  return file_.is_open();
}

void Recording::add_fact(std::string_view fact) noexcept {
  if (is_on()) file_.add(trace::Mark{.kind = trace::MarkKind::fact, .number = 0, .text = fact});
}

void Recording::add_reset() noexcept {
  if (is_on()) file_.add(trace::Mark{.kind = trace::MarkKind::reset, .number = 0, .text = {}});
}

void Recording::add(trace::Event event, const TagTable* tags) noexcept {
  if (!is_on()) return;
  if (event.tag != 0) define(event.tag, *tags);
  event.thread = this_thread_id(forks_);
  event.time = file_.now();
  file_.add(event);
}

// Without memory to note that a tag is defined, it is defined again.
void Recording::define(TagId tag, const TagTable& tags) noexcept try {
  if (tag < defined_.size() && defined_[tag]) [[likely]]
    return;
  file_.add(trace::Mark{.kind = trace::MarkKind::tag, .number = tag, .text = tags.text_of(tag)});
  if (tag >= defined_.size()) defined_.resize(tag + 1);
  defined_[tag] = true;
} catch (const std::bad_alloc&) {
  return;
}

}  // namespace glassheap
