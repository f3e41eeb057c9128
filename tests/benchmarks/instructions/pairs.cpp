// pairs.cpp: pairs of malloc and free, for compare.py, which counts their instructions.
//
//     glassheap-pairs HEAP lifo N    N times: malloc(64), and free of that block
//     glassheap-pairs HEAP churn N   1,000 live blocks of 16 to 512 bytes; N times: free of a
//                                    random one, and malloc of a new one
//     glassheap-pairs                prints the compiler, the build type and the processor; then
//                                    the heaps, one a line: the policies but sequential_fit, whose
//                                    walks would take minutes, some of them on a shared heap,
//                                    one without headers and as an offset heap, and the peers
//                                    that are built
//
// The workloads are those of the placement benchmark. Everything but the pairs is the same for
// every N: the difference between the instructions of two runs is that of the pairs alone.

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "../cpp/glassheap_heap.hpp"
#include "../cpp/workloads.hpp"
#ifdef BENCH_WITH_PEERS
#include "../cpp/region_peers.hpp"
#endif

namespace {

using namespace bench;

constexpr Size region = 1 << 20;
constexpr std::string_view shared = "shared ";
constexpr std::string_view headerless = "headerless ";
constexpr std::string_view offset = "offset ";

template <HeapUnderTest H>
void play(H heap, const Workload& workload, std::uint64_t pairs) {
  Player<H> player(workload);
  if (!player.fill(heap) || !player.play(heap, workload.step * pairs))
    throw std::runtime_error("The region is too small.");
}

void play(std::string_view name, const Workload& workload, std::uint64_t pairs) {
#ifdef BENCH_WITH_PEERS
  if (name == "dlmalloc") return play(Dlmalloc(region), workload, pairs);
  if (name == "conte tlsf") return play(Tlsf(region), workload, pairs);
#endif
  if (name.starts_with(shared)) {
    name.remove_prefix(shared.size());
    return play(GlassheapHeap::share(options_for(name), region), workload, pairs);
  }
  glassheap::Options options;
  if (name.starts_with(headerless)) {
    name.remove_prefix(headerless.size());
    options.headers = false;
  } else if (name.starts_with(offset)) {
    name.remove_prefix(offset.size());
    options.granule = glassheap::granule_size;
  }
  options.policy = name;
  play(GlassheapHeap(options, region), workload, pairs);
}

void print_heaps() {
  std::puts(BENCH_BUILD);
  for (const std::string_view policy : glassheap::policy_names())
    if (policy != "sequential_fit") std::puts(std::string(policy).c_str());
  std::puts("shared first_fit\nshared segregated_fit");
  std::puts("headerless first_fit\noffset first_fit");
#ifdef BENCH_WITH_PEERS
  std::puts("dlmalloc\nconte tlsf");
#endif
}

}  // namespace

int main(int count, char** words) try {
  if (count != 4) return print_heaps(), 0;
  const bool is_lifo = words[2] == std::string_view("lifo");
  const Workload workload = is_lifo ? make_lifo() : draw_churn(1000, Sizes::uniform);
  play(words[1], workload, std::strtoull(words[3], nullptr, 10));
} catch (const std::exception& error) {
  std::fprintf(stderr, "glassheap-pairs: %s\n", error.what());
  return 1;
}
