"""libc's malloc and free as a C extension that cffi writes: its API mode."""

from cffi import FFI

ffi = FFI()
ffi.cdef("void *malloc(size_t size); void free(void *address);")
ffi.set_source("libc_peer", "#include <stdlib.h>")
