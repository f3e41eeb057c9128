// fuzzer.cpp: the entry point of libFuzzer, which generates inputs and keeps those that reach new
// code. An exception, like any crash, makes it keep the input that led to it.
//
// A fuzzer is built for one policy, GLASSHEAP_FUZZ_POLICY: it spends all of its time on that
// policy, and reports the policy's coverage. Built without GLASSHEAP_FUZZ_POLICY it runs each input
// on every policy; the inputs of the kept corpus are selected that way.

#include "glassheap/heap.hpp"
#include "session.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
#ifdef GLASSHEAP_FUZZ_POLICY
  glassheap::play(GLASSHEAP_FUZZ_POLICY, {data, size});
#else
  for (const std::string_view policy : glassheap::policy_names())
    glassheap::play(policy, {data, size});
#endif
  return 0;
}
