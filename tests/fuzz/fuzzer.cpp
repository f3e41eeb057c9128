// fuzzer.cpp: what libFuzzer calls again and again, with inputs that it makes up, keeping those
// that reach code which none before them did.
//
// A fuzzer is built for one policy, GLASSHEAP_FUZZ_POLICY: all of its time is spent on that, and
// what it reports is that policy's coverage. Built without one it plays each input to all of them,
// which is how inputs are chosen that are worth to be kept.

#include "driver.hpp"
#include "glassheap/heap.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
#ifdef GLASSHEAP_FUZZ_POLICY
  glassheap::fuzzing::play(GLASSHEAP_FUZZ_POLICY, {data, size});
#else
  for (const std::string_view policy : glassheap::policy_names())
    glassheap::fuzzing::play(policy, {data, size});
#endif
  return 0;
}
