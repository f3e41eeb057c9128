"""Compile small C programs and run them with the recorder preloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CC = shutil.which("cc")

PRELUDE = """
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile kept;  /* volatile: a call whose result is stored here is not optimised out */
"""

# For a program that calls the C library past the recorder; it exits with 77 if that is impossible.
PAST_THE_RECORDER = """
#include <dlfcn.h>
static void *(*unseen_malloc)(size_t);
static void (*unseen_free)(void *);
static void find_unseen(void) {
  void *libc = dlopen("libc.so.6", RTLD_NOW);
  if (libc == NULL) exit(77);
  *(void **)&unseen_malloc = dlsym(libc, "malloc");
  *(void **)&unseen_free = dlsym(libc, "free");
}
"""


def compile_c(arguments: Iterable[str], output: Path) -> Path:
    assert CC is not None
    command = [CC, "-std=c99", "-O1", "-pthread", *arguments, "-o", str(output), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def compile_program(statements: str, before_main: str, folder: Path) -> Path:
    """Compile a program with these statements as the body of main."""
    source = folder / "program.c"
    source.write_text(f"{PRELUDE}\n{before_main}\nint main(void) {{ {statements} }}\n")
    return compile_c([str(source), "-fno-builtin"], folder / "program")


def run_recorded(
    recorder: Path, program: Path, trace: Path | None
) -> subprocess.CompletedProcess[str]:
    """Run the program with the recorder; without a trace, GLASSHEAP_TRACE is not set."""
    environment = {**os.environ, "LD_PRELOAD": str(recorder)}
    environment.pop("GLASSHEAP_TRACE", None)
    if trace is not None:
        environment["GLASSHEAP_TRACE"] = str(trace)
    return subprocess.run(
        [program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
