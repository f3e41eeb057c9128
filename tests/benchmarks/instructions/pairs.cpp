// pairs.cpp: pairs of malloc and free, for compare.py, which counts their instructions.
//
//     glassheap-pairs POLICY lifo N    N times: malloc(64), and free of that block
//     glassheap-pairs POLICY churn N   1,000 live blocks of 16 to 512 bytes; N times: free of a
//                                      random one, and malloc of a new one
//     glassheap-pairs                  prints the compiler, the build type and the processor
//
// The workloads are those of the placement benchmark. Everything but the pairs is the same for
// every N: the difference between the instructions of two runs is that of the pairs alone.

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "../cpp/glassheap_heap.hpp"
#include "../cpp/workloads.hpp"

namespace {

using namespace bench;

void play(const Workload& workload, std::string_view policy, std::uint64_t pairs) {
  GlassheapHeap heap(options_for(policy), 1 << 20);
  Player<GlassheapHeap> player(workload);
  if (!player.fill(heap) || !player.play(heap, workload.step * pairs))
    throw std::runtime_error("The region is too small.");
}

}  // namespace

int main(int count, char** words) try {
  if (count != 4) return std::puts(BENCH_BUILD) < 0 ? 1 : 0;
  const bool is_lifo = words[2] == std::string_view("lifo");
  const Workload workload = is_lifo ? make_lifo() : draw_churn(1000, Sizes::uniform);
  play(workload, words[1], std::strtoull(words[3], nullptr, 10));
} catch (const std::exception& error) {
  std::fprintf(stderr, "glassheap-pairs: %s\n", error.what());
  return 1;
}
