// mapped_file.hpp: the file behind memory that the caller has mapped.
#pragma once

namespace glassheap::shared {

// Opens the file that is mapped at this address, for reading and writing. Returns its descriptor;
// -1, and errno, if the system refuses; -1, and errno 0, if the memory there has no file.
[[nodiscard]] int open_mapped_file(const void* at);

}  // namespace glassheap::shared
