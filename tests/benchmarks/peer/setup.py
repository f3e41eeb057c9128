"""The compiled peers of calls.py: a type written by hand, and libc by cffi.

The type is written over the library of the installed package, so both sides run the same compiled
code. Build it again after each installation of glassheap:

    pip install --no-build-isolation tests/benchmarks/peer
"""

from pathlib import Path

from setuptools import Extension, setup

import glassheap

PACKAGE = Path(glassheap.__file__).parent

setup(
    name="glassheap-peer",
    version="0",
    py_modules=[],
    cffi_modules=["libc_peer.py:ffi"],
    ext_modules=[
        Extension(
            "glassheap_peer",
            ["peer.cpp"],
            include_dirs=[str(PACKAGE / "include")],
            extra_objects=[str(PACKAGE / "lib/libglassheap.a")],
            extra_compile_args=["-std=c++20", "-O2", "-Wextra", "-fvisibility=hidden"],
        )
    ],
    options={"build": {"build_base": "../../../.build/peer"}},
)
