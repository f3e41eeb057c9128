#include "ours.hpp"

#include <stdexcept>

#include "glassheap/version.h"

namespace bench {
namespace {

Outcome play(Workload& workload, const Job& job) {
  OurHeap heap(options_for(job.policy, job.headers, job.region));
  return measure(heap, workload, job.limits);
}

}  // namespace

glassheap::Options options_for(const std::string& policy, bool headers, Size region) {
  glassheap::Options options;
  options.size = region;
  options.policy = policy;
  options.headers = headers;
  return options;
}

OurHeap::OurHeap(const glassheap::Options& options) {
  heap_ = glassheap::Heap::open(options, fault_);
  if (heap_ == nullptr) give_up();
}

void OurHeap::give_up() const { throw std::runtime_error(sentence(fault_)); }

Peer ours() { return {play, GLASSHEAP_VERSION}; }

}  // namespace bench
