// earlier_recording.hpp: a recording that a new one replaces.
//
// Until the new one is certain to stay, the earlier one lies beside it:
//
//     app.trace   the new recording        set_aside()   app.trace -> app.trace.earlier
//     app.trace.earlier                    remove()      app.trace.earlier is gone
//                                          put_back()    app.trace.earlier -> app.trace
//
// A program that is killed meanwhile leaves both files.
#pragma once

#include <string>

namespace glassheap::trace {

class EarlierRecording {
 public:
  // Nothing is set aside yet. Throws std::bad_alloc.
  explicit EarlierRecording(std::string path) : path_(std::move(path)) {}

  // Gives the recording with this path, or the empty file, another name that no file has. Returns 0,
  // also if there is no file; EBUSY if it is being recorded to, EEXIST if it is something else than a
  // recording; otherwise errno. Throws std::bad_alloc. Only a return of 0 changes anything.
  [[nodiscard]] int set_aside();
  // Removes what was set aside, if anything was.
  void remove() noexcept;
  // Gives it its name again. Where another file has that name by now, it stays aside, unless it is
  // empty.
  void put_back() noexcept;

 private:
  [[nodiscard]] std::string name_aside(unsigned number) const;

  std::string path_;
  std::string aside_;  // empty: nothing is set aside
};

}  // namespace glassheap::trace
