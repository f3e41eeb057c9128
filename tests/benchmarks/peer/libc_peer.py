"""Write the C source of an extension module with libc's malloc and free: cffi's API mode.

python libc_peer.py libc_peer.c
"""

import sys

from cffi import FFI

ffi = FFI()
ffi.cdef("void *malloc(size_t size); void free(void *address);")
ffi.set_source("libc_peer", "#include <stdlib.h>")
ffi.emit_c_code(sys.argv[1])
