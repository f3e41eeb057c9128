"""The tags of recorded programs in C++: a `new` is named by its caller, not by operator new.

`test_recorder.py` has the tags of programs in C.
"""

from __future__ import annotations

import platform
import shutil
from typing import TYPE_CHECKING

import pytest

from command_helpers import completed, output_of
from glassheap.traces import MALLOC, Trace, read
from recorder_helpers import NEEDS_CALLERS, NEEDS_CC, NEEDS_LINUX, compiled, preloaded

if TYPE_CHECKING:
    from pathlib import Path

CXX = shutil.which("c++")
pytestmark = [
    pytest.mark.any_interpreter,
    NEEDS_LINUX,
    NEEDS_CALLERS,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere operator new is the tag"),
    pytest.mark.skipif(CXX is None, reason="no C++ compiler (c++) is installed"),
    pytest.mark.skipif(shutil.which("addr2line") is None, reason="binutils are not installed"),
]

PRELUDE = """
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>
#define FUNCTION __attribute__((noinline)) void
static void *volatile kept;
struct alignas(256) Wide { char bytes[256]; };
"""


def built(source: str, program: Path, *options: str) -> Path:
    """A program in C++, or a library."""
    file = program.with_suffix(".cpp")
    file.write_text(PRELUDE + source)
    usual = ("-std=c++17", "-O1", "-g", "-fno-builtin")
    done = completed(str(CXX), *usual, *options, str(file), "-o", str(program))
    assert done.returncode == 0, done.stderr
    return program


def recorded(program: Path, *arguments: str) -> Trace:
    trace = program.with_suffix(".trace")
    done = preloaded(program, *arguments, trace=trace)
    assert (done.returncode, done.stderr) == (0, "")
    return read(trace)


def functions(tag: str, folder: Path) -> list[str]:
    """The function at the place that a tag names, and those into which it was inlined."""
    file, _, place = tag.partition("+")
    lines = output_of("addr2line", "-C", "-f", "-i", "-e", str(folder / file), place)
    return [name.partition("(")[0] for name in lines.split("\n")[:-1:2]]


def callers(trace: Trace, folder: Path, size: int) -> list[list[str]]:
    """The functions that have asked for this size."""
    rows = zip(trace.kinds, trace.sizes, trace.tags, strict=True)
    tags = [tag for kind, found, tag in rows if (kind, found) == (MALLOC, size)]
    return [functions(trace.tag_names[tag], folder) for tag in tags]


# --- The forms of new. ----------------------------------------------------------------------------

FORMS = {
    "new int": ("new int(1)", 4),
    "new[]": ("new char[1001]", 1001),
    "aligned": ("new Wide", 256),
    "aligned []": ("new Wide[3]", 768),
    "nothrow": ("new (std::nothrow) long(1)", 8),
    "nothrow []": ("new (std::nothrow) char[1002]", 1002),
    "nothrow aligned": ("new (std::nothrow) Wide[2]", 512),
    "a call": ("operator new(1003)", 1003),
}


@pytest.mark.parametrize("frames", ["-fomit-frame-pointer", "-fno-omit-frame-pointer"])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_a_new_is_named_by_its_caller(tmp_path: Path, level: str, frames: str) -> None:
    forms = [*FORMS.values()]
    source = "".join(f"FUNCTION caller{i}() {{ kept = {forms[i][0]}; }}\n" for i in range(8))
    calls = "".join(f"caller{i}(); " for i in range(8))
    trace = recorded(built(f"{source}int main() {{ {calls} }}", tmp_path / "app", level, frames))
    found = [callers(trace, tmp_path, size)[-1] for _, size in forms]
    assert found == [[f"caller{i}"] for i in range(8)]


def test_a_container_is_named_by_the_function_that_grows_it(tmp_path: Path) -> None:
    source = """
    FUNCTION fill(std::vector<int> &all) { all.resize(1000); }
    FUNCTION extend(std::vector<int> &all) { all.reserve(5000); }
    int main() { std::vector<int> all; fill(all); extend(all); kept = all.data(); }
    """
    trace = recorded(built(source, tmp_path / "app", "-O2"))
    for size, function in ((4000, "fill"), (20000, "extend")):
        (names,) = callers(trace, tmp_path, size)
        assert function in names or any("vector" in name for name in names)


# --- The program runs as before. ------------------------------------------------------------------


def test_a_request_that_fails_throws_and_has_its_caller(tmp_path: Path) -> None:
    source = """
    static int handled = 0;
    FUNCTION handler() { if (++handled == 2) std::set_new_handler(nullptr); }
    FUNCTION ask(std::size_t size) { kept = new char[size]; }
    int main(int count, char **) {
      std::set_new_handler(handler);
      try { ask(std::size_t(count) << 60); } catch (const std::bad_alloc &) { return handled - 2; }
      return 9;
    }
    """
    trace = recorded(built(source, tmp_path / "app"))
    refused = [one for one in trace.refused if one.size == 1 << 60]
    assert len(refused) == 3  # with each handler, and without
    assert {one.tag for one in refused} != {""}
    assert [functions(one.tag, tmp_path) for one in refused] == [["ask"]] * 3


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_a_program_with_an_operator_new_of_its_own_runs_that(tmp_path: Path, level: str) -> None:
    """The library of C++ refers to it, so it can be told, and its caller is named too. With -O0 its
    frame is found by the frame pointer; with -O2 it returns once before it calls malloc."""
    source = """
    static void *volatile spare;
    __attribute__((noinline)) void *operator new(std::size_t size) {
      std::fflush(stdout);
      if (__builtin_expect(spare != nullptr, 1)) return spare;
      void *block = std::malloc(size + 10000);
      if (block == nullptr) throw std::bad_alloc();
      return block;
    }
    __attribute__((noinline)) void *operator new[](std::size_t size) {
      void *block = operator new(size);
      std::fflush(stdout);
      return block;
    }
    void operator delete(void *block) noexcept { std::free(block); }
    void operator delete(void *block, std::size_t) noexcept { std::free(block); }
    FUNCTION first() { kept = new int(1); }
    FUNCTION second() { kept = new int[1]; }
    int main() { first(); second(); }
    """
    trace = recorded(built(source, tmp_path / "app", level, "-Wl,--no-as-needed"))
    assert callers(trace, tmp_path, 10004) == [["first"], ["second"]]


# --- Callers that cannot be told: the tag is the place in operator new. --------------------------


def test_a_new_whose_frame_is_too_large_is_named_by_its_place(tmp_path: Path) -> None:
    """The frame may be one of an object that was unloaded: its size is not believed."""
    source = """
    static char *volatile bottom;
    __attribute__((noinline)) void *operator new(std::size_t size) {
      char large[100000];
      bottom = large;
      void *block = std::malloc(size + 10000);
      if (block == nullptr) throw std::bad_alloc();
      bottom[0] = 0;
      return block;
    }
    void operator delete(void *block) noexcept { std::free(block); }
    void operator delete(void *block, std::size_t) noexcept { std::free(block); }
    FUNCTION first() { kept = new int(1); }
    int main() { first(); first(); }
    """
    trace = recorded(built(source, tmp_path / "app", "-O2", "-rdynamic"))
    assert callers(trace, tmp_path, 10004) == [["operator new"]] * 2
    assert len(set(trace.tag_names)) == len(trace.tag_names)


def test_a_new_in_code_that_lies_in_no_file_is_named_by_its_place(tmp_path: Path) -> None:
    """As in code that a compiler has made while the program runs."""
    source = """
    #include <cstring>
    #include <sys/mman.h>
    static const unsigned char code[] = {
      0x48, 0x83, 0xEC, 0x08,              /* sub $8, %rsp */
      0x48, 0x89, 0xF8, 0x48, 0x89, 0xF7,  /* mov %rdi, %rax; mov %rsi, %rdi */
      0xFF, 0xD0,                          /* call *%rax */
      0x48, 0x83, 0xC4, 0x08, 0xC3,        /* add $8, %rsp; ret */
    };
    using Made = void *(*)(void *(*)(std::size_t), std::size_t);
    int main() {
      void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      std::memcpy(page, code, sizeof code);
      if (mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0) return 9;
      for (int i = 0; i < 2; ++i) kept = ((Made)page)(operator new, 1001);
    }
    """
    trace = recorded(built(source, tmp_path / "app"))
    rows = zip(trace.sizes, trace.tags, strict=True)
    files = [trace.tag_names[tag].partition(".so")[0] for size, tag in rows if size == 1001]
    assert files == ["libstdc++"] * 2


# --- Plugins. -------------------------------------------------------------------------------------


@NEEDS_CC
def test_a_plugin_in_cpp_of_a_program_in_c_is_named_too(tmp_path: Path) -> None:
    """As a module of Python: the library of C++ is found by the plugin alone."""
    built('extern "C" FUNCTION work() { kept = new char[1001]; }', tmp_path / "plugin.so", "-fPIC",
          "-shared")  # fmt: skip
    source = """
    #include <dlfcn.h>
    int main(int count, char **names) {
      void *plugin = count == 2 ? dlopen(names[1], RTLD_NOW | RTLD_LOCAL) : 0;
      if (!plugin) return 9;
      ((void (*)(void))dlsym(plugin, "work"))();
      return 0;
    }
    """
    program = compiled(source, tmp_path / "app")
    trace = recorded(program, str(tmp_path / "plugin.so"))
    assert callers(trace, tmp_path, 1001) == [["work"]]


@NEEDS_CC
def test_a_program_in_c_does_not_load_the_library_of_cpp(tmp_path: Path) -> None:
    source = """
    #include <stdio.h>
    #include <string.h>
    int main(void) {
      char line[4096];
      FILE *maps = fopen("/proc/self/maps", "r");
      while (fgets(line, sizeof line, maps)) if (strstr(line, "libstdc++")) return 9;
      return 0;
    }
    """
    recorded(compiled(source, tmp_path / "app"))
