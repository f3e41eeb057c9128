// bell.hpp: how an event loop hears of something that happens in another thread or process.
//
// A bell has a number. The loop that listens has a datagram socket of the name "\0glassheap-bell-"
// and the number's upper half, eight hexadecimal digits, in the system's abstract namespace; and so it
// sleeps as it does for any socket. A ring sends the whole number there. Nothing is left when the
// listener is gone, whatever has ended it; and a ring that nobody hears is lost.
#pragma once

#include <cstdint>

namespace glassheap {

using Bell = std::uint64_t;  // 0: none

// Never waits, and calls no code but the system's.
void ring(Bell bell) noexcept;

}  // namespace glassheap
