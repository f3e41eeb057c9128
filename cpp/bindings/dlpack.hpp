// dlpack.hpp: the structs of DLPack, by which array libraries lend each other memory.
//
// The layout is that of the standard, version 1 (https://github.com/dmlc/dlpack), and so are the
// meanings of the fields. A tensor is handed over in a capsule. The consumer renames the capsule, and
// calls the deleter when it no longer needs the memory, in any thread, with the GIL or without it.
#pragma once

#include <cstdint>

namespace glassheap::bindings::dlpack {

struct Version {
  std::uint32_t major = 1;
  std::uint32_t minor = 0;
};

struct Device {
  std::int32_t type = 1;  // the CPU
  std::int32_t id = 0;
};

struct DataType {
  std::uint8_t code = 1;  // an unsigned integer
  std::uint8_t bits = 8;
  std::uint16_t lanes = 1;
};

struct Tensor {
  void* data = nullptr;  // null if there are no elements
  Device device;
  std::int32_t axes = 1;
  DataType dtype;
  std::int64_t* shape = nullptr;
  std::int64_t* strides = nullptr;  // in elements
  std::uint64_t byte_offset = 0;    // of the first element, from `data`
};

// What a capsule points to before version 1 of the standard.
struct Unversioned {
  static constexpr const char* name = "dltensor";
  static constexpr const char* name_when_used = "used_dltensor";

  Tensor tensor;
  void* context = nullptr;
  void (*deleter)(Unversioned* self) = nullptr;
};

// The same since version 1.
struct Versioned {
  static constexpr const char* name = "dltensor_versioned";
  static constexpr const char* name_when_used = "used_dltensor_versioned";
  static constexpr std::uint64_t is_copied = 2;  // in `flags`: a copy, for the consumer alone

  Version version;
  void* context = nullptr;
  void (*deleter)(Versioned* self) = nullptr;
  std::uint64_t flags = 0;
  Tensor tensor;
};

}  // namespace glassheap::bindings::dlpack
