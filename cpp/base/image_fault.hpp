// image_fault.hpp: the sentences of a bad_image, which tell three things apart: bytes that are no image,
// an image with a wrong front, and an image with damaged blocks.
#pragma once

#include "glassheap/fault.hpp"

namespace glassheap {

[[nodiscard]] std::string bad_image_sentence(const Fault& fault);

}  // namespace glassheap
