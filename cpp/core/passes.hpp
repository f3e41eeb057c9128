// passes.hpp: when a heap that defers coalescing makes a pass (space/deferred.hpp): for a request
// that nothing else serves, and after a release that leaves many free blocks. In any other heap
// these functions only ask the policy, and release.
#pragma once

#include "core/recorder.hpp"

namespace glassheap {

template <typename FreeSpace>
void make_pass(FreeSpace& space, const Recorder& recorder) noexcept {
  space.pass([&recorder](Block run) { recorder.begin(run); });
}

// What a call does before a pass that needs no undoing.
inline constexpr auto do_nothing = []() noexcept {};

// Sets `from` to the free block for a request, or to no block. Calls before_pass() before a pass.
// Returns false, changes nothing and sets `fault` if a pass would serve the request, but a node is
// unsound.
template <typename FreeSpace, typename BeforePass>
[[nodiscard]] bool find_free(FreeSpace& space, const Recorder& recorder, const Request& request,
                             Block& from, Fault& fault,
                             BeforePass before_pass) noexcept(noexcept(before_pass())) {
  from = space.policy().find_free(request);
  if constexpr (FreeSpace::defers) {
    if (from || !space.pass_would_serve(request)) return true;
    if (!space.may_pass(fault)) return false;
    before_pass();
    make_pass(space, recorder);
    from = space.policy().find_free(request);
  }
  return true;
}

// An unsound node stops no release: it is found when its block is used, and by inspect().
template <typename FreeSpace>
[[gnu::cold, gnu::noinline]] void make_due_pass(FreeSpace& space,
                                                const Recorder& recorder) noexcept {
  Fault ignored;
  if (space.may_pass(ignored)) make_pass(space, recorder);
}
// Frees a live block as space.release() does, and makes a pass if one is due then.
template <Shape shape = Shape::any, typename FreeSpace, typename Begin>
bool release_then_pass(FreeSpace& space, const Recorder& recorder, Block block,
                       Begin begin) noexcept {
  const bool done = space.template release<shape>(block, begin);
  if constexpr (FreeSpace::defers) {
    if (done && space.is_pass_due()) [[unlikely]]
      make_due_pass(space, recorder);
  }
  return done;
}

}  // namespace glassheap
