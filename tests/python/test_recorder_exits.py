"""Calls that a recorded program makes while it exits: they too are in the file, with a checksum.

`test_recorder.py` has the other endings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from command_helpers import output_of
from glassheap.traces import Trace, read
from recorder_helpers import CC, NEEDS_CC, NEEDS_LINUX, PRELUDE, Call, calls, compiled, preloaded

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.any_interpreter, NEEDS_LINUX, NEEDS_CC]

COUNT = 9000
"""Calls of the library while the program exits: the open block of the file is written meanwhile."""
LATE = [Call("a", 77), Call("f")] * COUNT
LIBRARY = f"""
#include <stdlib.h>
static void *volatile late;
void work(void) {{ for (int i = 0; i < {COUNT}; ++i) {{ late = malloc(77); free(late); }} }}
"""
DESTRUCTOR = "__attribute__((destructor)) static void end(void) { work(); }"


def recorded(folder: Path, library: str, statements: str, status: int = 0) -> Trace:
    """A program with a library of its own, which is loaded after the recorder."""
    source, late = folder / "late.c", folder / "late.so"
    source.write_text(LIBRARY + library)
    output_of(str(CC), "-shared", "-fPIC", "-fno-builtin", "-o", str(late), str(source))
    main = f"{PRELUDE} void work(void); int main(void) {{ kept = malloc(11); {statements} }}"
    program = compiled(main, folder / "program", "-Wl,--no-as-needed", str(late))
    done = preloaded(program, trace=folder / "app.trace")
    assert (done.returncode, done.stderr) == (status, "")
    return read(folder / "app.trace")


@pytest.mark.parametrize("ending", ["return 4;", "exit(4);"])
def test_calls_in_the_destructor_of_a_library_have_a_checksum(tmp_path: Path, ending: str) -> None:
    """The recorder was loaded before the library, so its own destructor has run."""
    trace = recorded(tmp_path, DESTRUCTOR, ending, status=4)
    assert calls(trace) == [Call("a", 11), *LATE]
    assert trace.skipped == ()


def test_calls_of_the_functions_of_quick_exit_have_a_checksum(tmp_path: Path) -> None:
    """No destructor runs then."""
    trace = recorded(tmp_path, DESTRUCTOR, "at_quick_exit(work); quick_exit(4);", status=4)
    assert calls(trace) == [Call("a", 11), *LATE]
    assert trace.skipped == ()


def test_a_child_whose_first_calls_are_in_a_destructor_has_a_checksum(tmp_path: Path) -> None:
    """It creates its file then."""
    child = "if (fork() == 0) exit(0); int status; wait(&status); _exit(WEXITSTATUS(status));"
    assert calls(recorded(tmp_path, DESTRUCTOR, child)) == [Call("a", 11)]
    (file,) = tmp_path.glob("app.trace.*")
    assert calls(read(file)) == LATE
    assert read(file).skipped == ()


def test_calls_of_a_thread_while_the_program_exits_have_a_checksum(tmp_path: Path) -> None:
    """The thread goes on until the last destructor has waited for it."""
    library = """
    #include <pthread.h>
    static pthread_t thread;
    static volatile int begun;
    static void *run(void *unused) { while (!begun) { } work(); return unused; }
    __attribute__((constructor)) static void begin(void) {
      if (pthread_create(&thread, NULL, run, NULL) != 0) abort();
    }
    __attribute__((destructor)) static void end(void) { begun = 1; pthread_join(thread, NULL); }
    """
    trace = recorded(tmp_path, library, "return 0;")
    assert calls(trace).count(Call("a", 77)) == COUNT
    assert trace.skipped == ()
