// space_for.hpp: SpaceFor, the space that coalesces free blocks in the way that the policy asks for.
#pragma once

#include "space/buddies.hpp"
#include "space/deferred.hpp"
#include "space/list_pass.hpp"

namespace glassheap {

template <Policy P, Coalescing coalescing>
struct SpaceFor {
  using Type = NeighbourSpace<P>;
};
template <Policy P>
struct SpaceFor<P, Coalescing::deferred> {
  using Type = DeferredSpace<P>;
};
template <Policy P>
struct SpaceFor<P, Coalescing::buddies> {
  using Type = BuddySpace<P>;
};
template <Policy P>
struct SpaceFor<P, Coalescing::list_pass> {
  using Type = ListPassSpace<P>;
};

}  // namespace glassheap
