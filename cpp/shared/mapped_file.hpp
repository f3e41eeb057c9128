// mapped_file.hpp: the file behind memory that the caller has mapped.
#pragma once

#include <cstdint>

namespace glassheap::shared {

// Opens the file that is mapped at this address, for reading and writing. Returns its descriptor;
// -1, and errno 0, if the memory there is of no file; -1, and ENOENT, if it is of the file with this
// inode, which cannot be reached: its name was removed, or changed.
[[nodiscard]] int open_mapped_file(const void* at, std::uint64_t inode);

}  // namespace glassheap::shared
