"""`glassheap grade`: its table, its figures in JSON, its exit statuses, its mistakes, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_helpers import Output, assert_mistake, command, run
from grading_helpers import SCRIPT, compile_text, needs_a_compiler, student
from source_tree import SOURCE_TREE, code_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = needs_a_compiler


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """The path of a trace."""
    path = tmp_path / "short.script"
    path.write_text(SCRIPT, encoding="utf-8")
    return str(path)


def grade(*arguments: str | Path) -> Output:
    return run("grade", *map(str, arguments))


def figures(*arguments: str | Path) -> Any:
    return json.loads(grade("--json", *arguments).stdout)


# --- What it prints -------------------------------------------------------------------------------
def test_a_right_allocator_has_a_table_and_a_score(trace: str) -> None:
    done = grade(student(), trace, trace)
    assert (done.returncode, done.stderr) == (0, "")
    titles, rules, first, second, empty, functions, *totals = done.stdout.splitlines()
    assert titles.split()[:4] == ["trace", "operations", "result", "utilisation"]
    assert rules.split() == ["(rules", "of", "malloc)", "16", "right", "-", "-", "-"]
    assert first.split()[:3] == second.split()[:3] == [trace, "12", "right"]
    assert (empty, functions) == ("", "functions     my_malloc, my_free, my_realloc")
    assert [line.split()[0] for line in totals] == ["utilisation", "throughput", "score"]
    assert totals[-1].endswith(" of 100")


def test_a_wrong_allocator_has_a_sentence_and_the_status_1(trace: str) -> None:
    done = grade(student("CRASHES=3"), trace, "--no-rules")
    assert (done.returncode, done.stderr) == (1, "")
    assert f"\n{trace}: crash: the library crashed with SIGSEGV (" in done.stdout
    assert done.stdout.splitlines()[-1] == "score         0 of 100, since it broke a rule"


def test_breaches_of_the_same_rule_have_one_sentence(trace: str) -> None:
    done = grade(student("MISALIGNED"), trace, "--no-rules")
    assert done.stdout.count("alignment: ") == 1
    assert ", which is no multiple of 16 (8 times; this is the first)\n" in done.stdout


def test_the_figures_in_json(trace: str) -> None:
    found = figures(student(), trace, "--weight", "1", "--reference", "1000000")
    assert (found["correct"], found["rules"]["correct"], found["weight"]) == (True, True, 1)
    (one,) = found["traces"]
    assert (one["trace"], one["operations"], one["breaches"]) == (trace, 12, [])
    assert one["utilisation"] == one["peak_payload"] / one["footprint"]
    assert found["score"] == pytest.approx(100 * found["utilisation"])
    assert (found["reference_throughput"], one["reference_throughput"]) == (1e6, 0)


def test_a_breach_in_json(trace: str) -> None:
    found = figures(student("METADATA"), trace, "--no-rules")
    assert (found["correct"], found["rules"], found["score"]) == (False, None, 0)
    breach = found["traces"][0]["breaches"][0]
    assert (breach["rule"], breach["operation"], breach["times"]) == ("payload", 3, 4)
    assert "was changed by operation 3 (malloc of 40 bytes, block 2)" in breach["sentence"]


def test_the_names_and_limits_are_passed_on(trace: str) -> None:
    library = student("NAME(function)=the_##function##_x", "STARTS=0", "MISALIGNED")
    names = "--malloc the_malloc_x --free the_free_x --realloc the_realloc_x --init start"
    done = grade(library, trace, *names.split(), "--align", "8", "--heap", "1M", "--memory", "1G")
    assert (done.returncode, done.stderr) == (0, "")
    region = student("MISALIGNED", "REGION")
    bounds = "--region", "mem_heap_lo,mem_heap_hi"
    assert figures(region, trace, *bounds, "--align", "8")["traces"][0]["footprint"] == 2**20


PAGE = SOURCE_TREE / "docs" / "grading.md"


def test_the_example_on_the_page_gets_the_findings_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = code_blocks(PAGE, "c")
    library = compile_text("page", code, "-Wno-sizeof-pointer-memaccess")
    script, *_ = re.findall(r"^```\n(a 0 .*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    Path("short.script").write_text(script, encoding="utf-8")
    done = grade(library, "short.script")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 10
    assert f"```\n{done.stdout}```\n" in PAGE.read_text("utf-8")


# --- Mistakes -------------------------------------------------------------------------------------
def test_a_library_that_cannot_be_loaded_is_one_sentence(trace: str, tmp_path: Path) -> None:
    assert_mistake(grade("none.so", trace), "cannot read none.so: No such file or directory")
    assert_mistake(grade(tmp_path, trace), f"cannot read {tmp_path}: Is a directory")
    assert_mistake(grade(trace, trace), f"cannot load {trace}: ", "expected a shared library")
    incomplete = compile_text("incomplete", "void lost(void); void f(void) { lost(); }\n")
    assert_mistake(grade(incomplete, trace), "undefined symbol: lost")


def test_a_function_that_is_missing_is_named_with_its_option(trace: str) -> None:
    empty = compile_text("empty", "int nothing;\n")
    functions = "none of the functions my_malloc, mm_malloc and malloc; name yours with --malloc"
    assert_mistake(grade(empty, trace), f"{empty} has {functions}")
    for option in ("malloc", "free", "realloc", "init"):
        done = grade(student(), trace, f"--{option}", "sing")
        missing = "sing; name yours with --" if option != "malloc" else "--malloc"
        assert_mistake(done, f"{student()} has no function sing; name yours with --{option}")
        assert missing in done.stderr
    done = grade(student(), trace, "--region", "low,high")
    assert_mistake(done, "has no function low; name yours with --region")


def test_a_broken_trace_is_one_sentence(trace: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.script"
    broken.write_text("a 0 8\na 1 eight\n", encoding="utf-8")
    assert_mistake(grade(student(), trace, broken), f"{broken}, line 2: cannot read 'a 1 eight'")
    assert_mistake(grade(student(), "none.rep"), "cannot read none.rep: No such file")


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("", "required: LIBRARY, TRACE"),
        ("x", "required: TRACE"),
        ("x y --align 24", "'24' is no alignment; expected a power of two from 1 to 4096"),
        ("x y --align 0", "'0' is no alignment"),
        ("x y --timeout 0", "'0' is no time limit"),
        ("x y --timeout soon", "'soon' is no time"),
        ("x y --weight 2", "'2' is no weight; expected a number from 0 to 1"),
        ("x y --weight nan", "'nan' is no weight"),
        ("x y --reference 0", "'0' is no speed"),
        ("x y --memory 1M", "'1M' is too little or too much memory"),
        ("x y --memory 99999999999G", "too much memory"),
        ("x y --heap big", "'big' is no size"),
        ("x y --region low", "'low' is no region; expected two names"),
        ("x y --region a,b,c", "'a,b,c' is no region"),
        ("x y --mallok z", "did you mean --malloc?"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_sentence(line: str, phrase: str) -> None:
    assert_mistake(run("grade", *shlex.split(line)), phrase, "--help)")


# --- The process ----------------------------------------------------------------------------------
def test_the_command_is_a_program(trace: str) -> None:
    done = command("grade", str(student("EXITS")), trace, "--no-rules")
    assert (done.returncode, done.stderr) == (1, "")
    assert "its last words: mm.c:12: no block" in done.stdout


def test_a_relative_path_is_found(trace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(student().parent)
    assert grade(student().name, trace, "--no-rules").returncode == 0


def test_ctrl_c_ends_the_child_too(trace: str) -> None:
    arguments = "grade", str(student("HANGS")), trace, "--timeout", "60", "--no-rules"
    line = [sys.executable, "-m", "glassheap", *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        child = wait_for_child(one.pid)
        one.send_signal(signal.SIGINT)
        stdout, stderr = one.communicate(timeout=30)
    assert (one.returncode, stdout, stderr) == (130, "", "glassheap: interrupted\n")
    assert until(lambda: has_ended(child))


def test_a_child_ends_with_its_parent(trace: str, tmp_path: Path) -> None:
    """Also if the parent could not kill it."""
    arguments = "grade", str(student("HANGS")), trace, "--timeout", "60", "--no-rules"
    line = [sys.executable, "-m", "glassheap", *arguments]
    here = {**os.environ, "TMPDIR": str(tmp_path)}  # what a killed process leaves behind
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, env=here) as one:
        child = wait_for_child(one.pid)
        assert until(lambda: "HANGS.so" in Path(f"/proc/{child}/maps").read_text("utf-8"))
        one.kill()
    assert until(lambda: has_ended(child))


@pytest.mark.parametrize("end", ["", "abort();", "exit(3);"])
def test_no_process_of_the_library_outlives_the_grading(
    trace: str, tmp_path: Path, end: str
) -> None:
    """Whether the library is right, crashes or exits, no process that it has started stays."""
    source = f"""
    #include <stdio.h>
    #include <stdlib.h>
    #include <unistd.h>
    void *my_malloc(size_t size) {{
      FILE *names = fopen("{tmp_path}/children", "a");
      pid_t child = fork();
      if (child == 0) for (;;) sleep(60);
      fprintf(names, "%d\\n", child);
      fclose(names);
      {end}
      return malloc(size);
    }}
    void my_free(void *p) {{ free(p); }}
    void *my_realloc(void *p, size_t size) {{ return realloc(p, size); }}
    """
    library = compile_text(f"forks{len(end)}", source)
    assert grade(str(library), trace, "--no-rules").returncode == (1 if end else 0)
    children = [*map(int, (tmp_path / "children").read_text().split())]
    assert children
    assert until(lambda: all(map(has_ended, children)))


def test_a_trace_that_misuses_its_memory_is_no_fault_of_the_library(tmp_path: Path) -> None:
    twice = tmp_path / "twice\033.script"
    twice.write_text("a 0 8\nf 0\nf 0\n")
    done = grade(str(student()), str(twice), "--no-rules")
    assert done.returncode == 0
    note = "free of a block freed before, skipped: line 3"
    assert done.stderr.endswith(f"{tmp_path}/twice\\x1b.script: {note}\n")


def test_a_weight_of_minus_0_is_0(trace: str) -> None:
    done = grade(str(student()), trace, "--no-rules", "--weight", "-0")
    assert re.search(r"utilisation .*, 0\.0 of 0 points\n", done.stdout)


def has_ended(pid: int) -> bool:
    """True if a process is gone, or only waits for its parent."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def until(condition: Callable[[], bool]) -> bool:
    """True if the condition comes true within 30 seconds."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


def wait_for_child(pid: int) -> int:
    """The child of a process, once it has one."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    assert until(lambda: children.read_text("utf-8") != "")
    return int(children.read_text("utf-8").split()[0])
