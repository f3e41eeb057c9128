"""Grading: each wrong allocator gets the finding that it deserves, and the right one gets none.

The allocators are student_malloc.c with a macro each. Its twelve operations are in grading_helpers.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from array import array
from pathlib import Path

import pytest

from glassheap._core import _play_foreign
from glassheap.grading import LibraryError, Names, grade, pattern
from glassheap.grading.blocks import PAGE, Block, Extent, LiveBlocks
from glassheap.grading.job import describe
from glassheap.grading.report import Grade, TraceGrade
from glassheap.grading.rules import trace_of_rules
from glassheap.traces import FREE, MALLOC, REALLOC, Trace
from grading_helpers import TRACE, compile_text, graded, needs_a_compiler, on_trace, student
from trace_helpers import read_text

pytestmark = needs_a_compiler

GROWING = read_text("a 0 24\na 1 24\nr 0 100\n")
CHURN = read_text("".join(f"a {i} 100\nf {i}\n" for i in range(50)))
OVERLAP = r"returned \d+ bytes at 0x[0-9a-f]+; they overlap block 1, which is live \("

# --- Wrong allocators -----------------------------------------------------------------------------
WRONG: dict[str, tuple[str, str]] = {
    "MISALIGNED": (
        "alignment",
        r"operation 1 \(malloc of 24 bytes, block 0\) returned 0x[0-9a-f]+8, which is no multiple",
    ),
    "OVERLAPPING": ("overlap", rf"operation 3 \(malloc of 40 bytes, block 2\) {OVERLAP}200 bytes"),
    "METADATA": (
        "payload",
        r"byte 192 of block 1, which was live \(200 bytes at 0x[0-9a-f]+\), was changed by "
        r"operation 3 \(malloc of 40 bytes, block 2\)$",
    ),
    "LOSES": (
        "realloc",
        r"operation 6 \(realloc of block 2 to 100 bytes\) lost contents: byte 8 of the 40 that it",
    ),
    "CRASHES=3": (
        "crash",
        r"the library crashed with SIGSEGV \(Segmentation fault\) in operation 3 \(malloc of 40 "
        r"bytes, block 2\)$",
    ),
    "WILD": ("crash", r"with SIGSEGV .* when a payload was written to, at operation 3 \(malloc"),
    "EXITS": (
        "exit",
        r"ended the process with status 3 in operation 3 .*; its last words: mm.c:12: no block$",
    ),
    "REFUSES": ("refusal", r"operation 7 \(malloc of 600 bytes, block 3\) returned NULL while 304"),
}
"""The finding for each macro: the rule, and what the sentence says."""


@pytest.mark.parametrize("macro", WRONG)
def test_a_wrong_allocator_gets_the_finding_that_it_deserves(macro: str) -> None:
    rule, sentence = WRONG[macro]
    result = graded(macro)
    first = result.traces[0].breaches[0]
    assert first.rule == rule
    assert re.search(sentence, first.sentence), first.sentence
    assert (result.score, result.traces[0].nanoseconds) == (0, 0)


def test_a_realloc_over_the_next_block_overlaps_it() -> None:
    (breach,) = on_trace("GROWS_OVER", trace=GROWING).breaches
    assert breach.rule == "overlap"
    assert re.match(rf"operation 3 \(realloc of block 0 to 100 bytes\) {OVERLAP}", breach.sentence)


def test_a_payload_is_checked_at_the_end_if_nothing_frees_it() -> None:
    (breach,) = on_trace("METADATA", trace=read_text("a 0 24\na 1 24\n")).breaches
    assert breach.rule == "payload"
    assert breach.sentence.endswith("was changed by operation 2 (malloc of 24 bytes, block 1)")


def test_a_realloc_is_not_blamed_for_contents_that_were_lost_before() -> None:
    trace = read_text("a 0 24\na 1 24\na 2 24\nf 2\nr 0 4000\n")
    assert [one.rule for one in on_trace("METADATA", trace=trace).breaches] == ["payload"]


def test_a_realloc_that_is_refused_leaves_the_block_as_it_is() -> None:
    result = graded("SPOILS", rules=True)
    assert result.rules is not None
    breach = result.rules.breaches[0]
    assert breach.rule == "realloc"
    assert re.search(r"^byte 0 of block 0, .* was changed by operation 13 \(", breach.sentence)


def test_a_block_outside_of_the_heap_is_found_by_the_bounds_of_the_heap() -> None:
    trace = read_text("a 0 8\na 1 8\na 2 8\n")
    assert on_trace("OUTSIDE", trace=trace).breaches == ()  # nobody tells where the heap is
    (breach,) = on_trace("OUTSIDE", "REGION", trace=trace).breaches
    assert breach.rule == "region"
    assert re.search(r"operation 3 .* outside of the heap \(0x\w+ to 0x\w+\)$", breach.sentence)


def test_a_hang_names_the_operation() -> None:
    (breach,) = on_trace("HANGS", timeout=1).breaches
    sentence = "the library hangs in operation 4 (free of block 1): no end within 1 s"
    assert (breach.rule, breach.operation, breach.sentence) == ("hang", 3, sentence)


def test_a_slow_library_is_told_from_one_that_hangs() -> None:
    (breach,) = on_trace("SLOW", trace=CHURN, timeout=1).breaches
    pattern = r"the library is too slow: \d+ of 100 operations within 1 s; give it more with --time"
    assert breach.rule == "hang"
    assert re.match(pattern, breach.sentence)


def test_a_crash_that_only_the_timing_finds_is_told_as_such() -> None:
    (breach,) = on_trace("CRASHES=20").breaches
    assert breach.rule == "crash"
    assert re.search(r"in operation \d+ \(.*\), played once more in the timing$", breach.sentence)


def test_an_allocator_that_never_reuses_memory_is_right_and_told_so() -> None:
    result = on_trace("NEVER_REUSES", trace=CHURN)
    assert result.breaches == ()
    assert result.utilisation < 0.02
    (remark,) = result.remarks()
    assert remark.startswith("the library never hands out freed memory again: at most 100 bytes ")
    assert on_trace(trace=CHURN).remarks() == []


def test_breaches_of_a_rule_are_counted_and_the_first_is_told() -> None:
    (breach,) = on_trace("MISALIGNED").breaches
    assert (breach.operation, breach.times) == (0, 8)


# --- The right allocator --------------------------------------------------------------------------
def test_the_right_allocator_breaks_no_rule_and_has_figures() -> None:
    result = graded(rules=True)
    assert result.breaches == 0
    assert result.functions == ("my_malloc", "my_free", "my_realloc")
    (trace,) = result.traces
    assert (trace.operations, trace.peak_payload) == (12, TRACE.peak_live)
    assert TRACE.peak_live < trace.footprint < 2 * TRACE.peak_live
    assert trace.throughput > 0
    assert trace.reference_throughput > 0
    assert 0 < result.score <= 100


def test_the_footprint_is_the_heap_where_the_library_tells_its_bounds() -> None:
    assert on_trace("REGION").footprint == 2**20


@pytest.mark.parametrize("align", [1, 8, 16])
def test_less_alignment_can_be_required(align: int) -> None:
    assert bool(on_trace("MISALIGNED", align=align).breaches) == (align == 16)


def test_the_c_library_is_right() -> None:
    """Its blocks lie in several mappings: the pages are counted, not the distance."""
    libc = Path("/proc/self/maps").read_text(encoding="utf-8")
    (path,) = {line.split()[-1] for line in libc.splitlines() if re.search(r"/libc\.so\.6$", line)}
    large = read_text("a 0 100\na 1 4000000\na 2 100\nr 1 8000000\nf 0\nf 1\n")
    result = grade(path, [TRACE, large])
    assert result.breaches == 0
    assert result.functions == ("malloc", "free", "realloc")
    assert result.traces[1].utilisation > 0.4


def test_the_address_space_of_a_child_is_limited() -> None:
    text = "#define _GNU_SOURCE\n#include <sys/mman.h>\nvoid *my_malloc(unsigned long n) {\n"
    text += "  const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;\n"
    text += "  if (mmap(0, 3ul << 30, PROT_NONE, how, -1, 0) == MAP_FAILED) return 0;\n"
    text += "  return mmap(0, n, PROT_READ | PROT_WRITE, how, -1, 0);\n}\n"
    library = compile_text("large", text + "void my_free(void *p) { (void)p; }\n")
    for memory, rules in ((2**30, ["refusal"]), (2**33, [])):
        result = grade(library, [read_text("a 0 8\n")], rules=False, memory=memory)
        assert [one.rule for one in result.traces[0].breaches] == rules


def test_a_request_that_the_heap_cannot_serve_may_be_refused() -> None:
    trace = read_text("a 0 400\na 1 600\nf 0\n")
    assert [one.rule for one in on_trace("REFUSES", trace=trace).breaches] == ["refusal"]
    assert on_trace("REFUSES", trace=trace, heap=999).breaches == ()
    assert on_trace("REFUSES", trace=trace, heap=1000).breaches != ()


# --- The rules of malloc --------------------------------------------------------------------------
def test_the_rules_find_a_size_that_wraps_around() -> None:
    result = graded("WRAPS", rules=True)
    assert result.rules is not None
    (breach,) = result.rules.breaches
    assert breach.rule == "size"
    assert "malloc of 18,446,744,073,709,551,615 bytes" in breach.sentence
    assert result.traces[0].breaches == ()


BUMP = """
static _Alignas(16) char heap[1 << 20];
static unsigned long used;
void *my_malloc(unsigned long n) {
  void *p = heap + used;
  if (n > sizeof heap - used) return 0;
  used += (n + 15) / 16 * 16;
  return p;
}
"""


def test_the_checks_of_a_long_trace_take_linear_time() -> None:
    """Five microseconds an operation, though no block of 20,000 was freed by then."""
    count = 20_000
    script = "".join(f"a {i} 16\n" for i in range(count)) + "".join(
        f"f {i}\n" for i in range(count)
    )
    library = compile_text("bump", BUMP + "void my_free(void *p) { (void)p; }\n")
    assert grade(library, [read_text(script)], rules=False, timeout=5).breaches == 0


def test_the_rules_call_with_null() -> None:
    library = compile_text("no_null", BUMP + "void my_free(void *p) { *(volatile char *)p = 0; }\n")
    result = grade(library, [read_text("a 0 8\nf 0\n")])
    assert result.rules is not None
    (breach,) = result.rules.breaches
    assert breach.sentence.startswith("the library crashed with SIGSEGV")
    assert breach.sentence.endswith("in operation 1 (free of NULL)")


def test_the_trace_of_the_rules_is_described_with_null() -> None:
    trace = trace_of_rules(with_realloc=True)
    assert describe(trace, 0) == "operation 1 (realloc of NULL to 40 bytes)"
    assert describe(trace, 4) == "operation 5 (realloc of block 0 to 4,000 bytes)"


def test_a_sentence_has_the_line_where_it_is_not_the_number_of_the_operation() -> None:
    trace = read_text("a 0 8\n# a comment\nf 0\n")
    assert describe(trace, 0) == "operation 1 (malloc of 8 bytes, block 0)"
    assert describe(trace, 1) == "operation 2 (line 3, free of block 0)"
    assert REALLOC not in trace_of_rules(with_realloc=False).kinds


# --- The functions --------------------------------------------------------------------------------
@pytest.mark.parametrize("prefix", ["my_", "mm_", ""])
def test_the_functions_are_found_by_their_usual_names(prefix: str) -> None:
    """Also malloc itself, which every process has: the library's realloc calls its own malloc."""
    result = graded(f"NAME(function)={prefix}{'##' if prefix else ''}function", "REGION")
    assert result.breaches == 0
    assert result.functions == tuple(prefix + name for name in ("malloc", "free", "realloc"))


def test_other_names_are_given_and_those_of_free_and_realloc_derived() -> None:
    macro = "NAME(function)=the_##function##_of_mine"
    assert graded(macro, names=Names("the_malloc_of_mine")).functions[1] == "the_free_of_mine"
    with pytest.raises(LibraryError, match="none of the functions my_malloc, mm_malloc and malloc"):
        graded(macro)


def test_a_library_without_realloc_is_graded_on_traces_without() -> None:
    result = graded("WITHOUT_REALLOC", trace=CHURN, rules=True)
    assert (result.breaches, result.functions) == (0, ("my_malloc", "my_free"))
    with pytest.raises(LibraryError, match=r"no function my_realloc, and t resizes blocks; name"):
        graded("WITHOUT_REALLOC")
    crashed = graded("WITHOUT_REALLOC", "CRASHES=1", trace=CHURN, rules=True)
    assert [one.breaches[0].rule for one in crashed.all] == ["crash", "crash"]


def test_functions_that_start_the_heap_are_called_first() -> None:
    assert on_trace("STARTS=0").breaches[0].rule == "refusal"
    assert on_trace("STARTS=0", names=Names(start=("start",))).breaches == ()
    with pytest.raises(LibraryError, match="start returned -1: it could not start the heap"):
        graded("STARTS=-1", names=Names(start=("start",)))


def test_a_crash_while_the_library_is_loaded_is_a_breach() -> None:
    text = "__attribute__((constructor)) static void c(void) { __builtin_trap(); }\n"
    (breach,) = grade(compile_text("crasher", text), [TRACE], rules=False).traces[0].breaches
    assert (breach.rule, breach.sentence[-20:]) == ("crash", " while it was loaded")


# --- The parts ------------------------------------------------------------------------------------
def test_an_overlap_is_found_by_exhaustion() -> None:
    """Two live blocks in eight bytes, and a third: the definition is shared bytes."""
    spans = [(start, size) for start in range(1, 9) for size in range(4)]
    for one, other in itertools.product(spans, spans):
        if shared(one, other):
            continue
        live = LiveBlocks()
        for number, (start, size) in enumerate((one, other)):
            live.add(Block(number, start, size, 0))
        for third in spans:
            found = live.overlapping(*third)
            expected = [number for number, it in enumerate((one, other)) if shared(it, third)]
            assert (found is None) == (expected == [])
            assert found is None or found.id in expected


def shared(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """True if two spans of at least one byte share one."""
    first, second = (set(range(at, at + max(size, 1))) for at, size in (one, other))
    return bool(first & second)


@pytest.mark.parametrize("size", [1, 100, pattern.PIECE + 5])
def test_every_changed_byte_of_a_payload_is_found(size: int) -> None:
    memory = ctypes.create_string_buffer(size)
    address = ctypes.addressof(memory)
    pattern.fill(address, size, 7)
    assert pattern.first_change(address, size, 7) is None
    for index in {0, size // 2, size - 1}:
        before = memory[index]
        memory[index] = bytes([before[0] ^ 1])
        assert pattern.first_change(address, size, 7) == index
        memory[index] = before
    assert size == 1 or pattern.first_change(address, size, 8) is not None


def test_the_extent_is_the_distance_or_the_pages_whichever_is_less() -> None:
    extent = Extent()
    assert extent.bytes == 0
    extent.add(Block(0, 5 * PAGE, 100, 0))
    extent.add(Block(1, 5 * PAGE + 200, 100, 0))
    assert extent.bytes == 300
    extent.add(Block(2, 2**40, PAGE, 0))
    assert extent.bytes == 2 * PAGE


def test_the_score_is_the_performance_index_of_the_malloc_lab() -> None:
    half = TraceGrade("half", 100, (), 50, 100, 50, True, 4e5, 2e5)
    full = TraceGrade("full", 300, (), 100, 100, 100, True, 4e5, 2e5)
    result = Grade("x", (), None, (half, full))
    assert result.utilisation == 0.75
    assert (result.throughput, result.reference_throughput) == (500_000, 1_000_000)
    assert result.score == pytest.approx(100 * (0.6 * 0.75 + 0.4 * 0.5))
    fast = Grade("x", (), None, (half, full), 0.25, 400_000)
    assert fast.score == pytest.approx(100 * (0.25 * 0.75 + 0.75))


# --- The player in C++ ----------------------------------------------------------------------------
libc = ctypes.CDLL(None)
FUNCTIONS = tuple(
    ctypes.cast(function, ctypes.c_void_p).value or 0
    for function in (libc.malloc, libc.free, libc.realloc)
)
COLUMNS = bytearray([MALLOC, FREE]), array("I", [0, 0]), array("Q", [8, 0])
PLACE = array("Q", [0, 0])


def test_a_foreign_play_calls_as_the_trace_says_and_frees_the_rest() -> None:
    calls: list[tuple[object, ...]] = []

    def answer(*call: object) -> int | None:
        calls.append(call)
        return None if call[-1] == 5 else 0x1000 * len(calls)

    malloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(lambda n: answer("m", n))
    free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda p: calls.append(("f", p)))
    realloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(
        lambda p, n: answer("r", p, n)
    )
    addresses = [ctypes.cast(one, ctypes.c_void_p).value or 0 for one in (malloc, free, realloc)]
    trace = read_text("a 0 1\na 1 5\nf 1\nr 0 5\nr 0 2\na 2 3\nf 0\n")
    place = array("Q", [99, 42])
    columns = trace.kinds, trace.ids, trace.sizes
    taken, refused = _play_foreign(*columns, (addresses[0], addresses[1], addresses[2]), place)
    assert calls == [
        ("m", 1),
        ("m", 5),
        ("r", 0x1000, 5),
        ("r", 0x1000, 2),
        ("m", 3),
        ("f", 0x4000),
        ("f", 0x5000),
    ]
    assert (refused, list(place)) == (2, [6, 42])
    assert taken > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((COLUMNS[0], COLUMNS[1], array("Q", [8]), FUNCTIONS, PLACE), "have the same length"),
        ((bytearray([3, 0]), *COLUMNS[1:], FUNCTIONS, PLACE), "operation 0 has no such kind"),
        ((*COLUMNS, FUNCTIONS[:2], PLACE), "malloc, free and realloc in a tuple"),
        ((*COLUMNS, (0, *FUNCTIONS[1:]), PLACE), "a function that the trace calls has no address"),
        ((bytearray([0, 1]), *COLUMNS[1:], (*FUNCTIONS[:2], 0), PLACE), "has no address"),
        ((*COLUMNS, FUNCTIONS, bytearray(7)), "room for a number of 64 bits"),
    ],
)
def test_a_foreign_play_refuses_what_it_cannot_play(
    arguments: tuple[object, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        _play_foreign(*arguments)  # type: ignore[arg-type]


def test_a_grade_needs_a_trace_and_a_python_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at least one"):
        grade(student(), [])
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(LibraryError, match=r"cannot start a child, /bin/false -m glassheap\."):
        graded()


def test_a_trace_may_be_empty() -> None:
    empty = Trace(name="t", format="none", id_count=0, peak_live=0, tag_names=("",), skipped=())
    result = grade(student(), [empty], rules=False)
    assert (result.breaches, result.traces[0].utilisation) == (0, 0)
