"""The options of a heap, however it is opened: what they mean, and what is said of wrong ones."""

from __future__ import annotations

import mmap
import re
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

import glassheap
from glassheap import Heap, SharedHeap
from glassheap.placement import PolicyName
from heap_probes import RECORD_POLICIES
from process_helpers import SHM, segments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NAMES = [policy.name for policy in glassheap.policies()]
DEFAULTS = {name: one.default for name, one in signature(Heap).parameters.items()}
OPTIONS = [name for name in DEFAULTS if name != "size"]
THP = Path("/sys/kernel/mm/transparent_hugepage")
OF_SEQUENTIAL_FIT = {"fit": "best", "order": "size+", "coalesce": True}


def test_the_signatures_have_the_options_by_keyword_only_with_their_defaults() -> None:
    size, *options = signature(Heap).parameters.values()
    buffer, *same = signature(Heap.over).parameters.values()
    assert (size.name, buffer.name) == ("size", "buffer")
    assert options == same
    assert {one.kind for one in options} == {Parameter.KEYWORD_ONLY}
    heap = Heap(**DEFAULTS)
    for name in ("size", "policy", "headers", "checks", "magic"):
        assert getattr(heap, name) == getattr(Heap(), name) == DEFAULTS[name]
    assert heap.base == heap.address
    assert repr(heap).partition(" at ")[0] == repr(Heap()).partition(" at ")[0]


def test_there_are_nine_policies_and_the_first_is_the_default() -> None:
    fits = ["first_fit", "next_fit", "best_fit", "worst_fit", "segregated_fit"]
    assert [*fits, "quick_fit", "tlsf", "buddy", "sequential_fit"] == NAMES
    assert Heap().policy == NAMES[0]
    assert [*get_args(PolicyName)] == NAMES
    assert [member.value for member in glassheap.Policy] == NAMES
    assert [member.name.lower() for member in glassheap.Policy] == NAMES


@pytest.mark.parametrize("info", glassheap.policies(), ids=lambda info: info.name)
def test_a_policy_has_a_summary_a_cost_and_a_source(info: glassheap.PolicyInfo) -> None:
    assert isinstance(info, glassheap.PolicyInfo)
    assert info._fields == ("name", "summary", "cost", "source")
    assert re.fullmatch(r"[a-z][^\n]{10,70}[^.\n]", info.summary)
    assert re.search(r"O\(.+\)", info.cost)
    assert re.search(r"[A-Z]", info.source)


@pytest.mark.parametrize("member", list(glassheap.Policy), ids=str)
def test_a_member_of_the_enumeration_selects_its_policy(member: glassheap.Policy) -> None:
    with Heap(policy=member) as heap:
        assert type(heap.policy) is str
        assert heap.policy == member == str(member)
        assert glassheap.Policy(heap.policy) is member
        assert f", {member}: 0 live" in repr(heap)


@pytest.mark.parametrize("name", NAMES)
def test_an_option_of_sequential_fit_that_is_none_counts_as_not_given(name: str) -> None:
    assert Heap(policy=name, fit=None, order=None, coalesce=None).policy == name


@pytest.mark.skipif(find_spec("numpy") is None, reason="needs NumPy")
def test_a_flag_of_numpy_is_a_flag() -> None:
    import numpy as np

    with Heap(headers=np.False_) as heap:  # type: ignore[arg-type]
        assert heap.headers is False


@pytest.mark.parametrize("policy", NAMES)
def test_own_memory_is_the_memory_outside_the_region(policy: str) -> None:
    """It is a block map of a 64th of the region, an index of less than a 32nd, and records.

    A record takes 16 bytes; there are as many as there were free blocks at one time.
    """
    small, large = (Heap(size, policy=policy) for size in (4096, 1 << 24))
    before = large.own_memory()
    assert 0 < small.own_memory() < before
    assert (1 << 24) / 64 < before < (1 << 24) / 64 + (1 << 24) / 32
    large.free_many(large.malloc_many([16] * 1000)[::2])
    records = large.own_memory() - before
    assert (records > 0) == (policy in RECORD_POLICIES)
    assert records <= 16 * large.stats().free_blocks
    large.reset()
    assert large.own_memory() == before


def over_a_buffer(**options: Any) -> None:
    memory = bytearray(4096)
    try:
        Heap.over(memory, **options)
    finally:
        assert memory == bytes(4096)
        memory.append(0)  # BufferError if the buffer were still exported


def in_shared_memory(**options: Any) -> None:
    before = segments()
    try:
        SharedHeap.create(size=4096, **options)
    finally:
        assert segments() == before


def in_a_mapping(**options: Any) -> None:
    with mmap.mmap(-1, 1 << 18) as memory:
        try:
            SharedHeap.create(buffer=memory, **options)
        finally:
            assert memory[:] == bytes(1 << 18)


OF_ONE_PROCESS = ("threads", "thread_cache", "base", "huge_pages", "quarantine", "tags")
SHARED = [name for name in OPTIONS if name not in OF_ONE_PROCESS]
OPENERS: list[tuple[Callable[..., object], list[str]]] = [(Heap, OPTIONS), (over_a_buffer, OPTIONS)]
"""Ways to open a heap, and their options."""
if SHM.is_dir():
    OPENERS += [(in_shared_memory, SHARED), (in_a_mapping, SHARED)]
every_opener = pytest.mark.parametrize(
    ("opener", "known"), OPENERS, ids=[opener.__name__ for opener, _ in OPENERS]
)

CHOICES = {
    "policy": NAMES,
    "fit": ["first", "best", "worst"],
    "order": ["address", "size+", "size-", "front", "back"],
    "checks": ["robust", "debug"],
}
UNKNOWN_CHOICES = {
    "policy": {
        "first_fit": ["firstfit", "First_fit", "first_fit\n"],
        "best_fit": ["Best-Fit"],
        "worst_fit": ["worst"],
        "buddy": ["budy"],
        "tlsf": ["tlsf ", "tlsf\0"],
        "": ["", "ü", "glibc"],
    },
    "fit": {"": ["next", "\0"]},
    "order": {"size+": ["size"], "": ["ADDRSORT", ""]},
    "checks": {"debug": ["debg", "Debug"], "": ["none", ""]},
}
"""Strings that are no choice, by the choice that was meant."""
NO_STRINGS: dict[str, list[object]] = {
    "policy": [5, None, ["tlsf"], b"tlsf", bytearray(b"tlsf"), "\ud800"],
    "fit": [1, "\ud800"],
    "order": [True, b"front", "\ud800"],
    "checks": [None, 1, b"debug", "\ud800"],
}
NO_FLAGS: list[object] = [None, "no", [], 0, 1, 2, 1.0]
FLAGS = {
    "headers": NO_FLAGS,
    "zero_on_free": NO_FLAGS,
    "threads": NO_FLAGS,
    "huge_pages": NO_FLAGS,
    "tags": NO_FLAGS,
    "coalesce": NO_FLAGS[1:],  # None: not given
}


def unknown(what: str, known: Iterable[str], meant: str) -> str:
    """The sentence about a name that is unknown; `meant` is the nearest one, as a caller writes it.

    It is empty if no name is near.
    """
    there = f"did you mean {meant}? There are" if meant else "there are"
    return f"there is no {what}; {there}: {quoted(known)}."


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def wrong_values() -> Iterator[tuple[type[Exception], str, list[dict[str, Any]]]]:
    """An error, its sentence, and the options that raise it."""
    for option, known in CHOICES.items():
        for meant, texts in UNKNOWN_CHOICES[option].items():
            for text in texts:
                told = unknown(f"{option} '{text}'", known, meant and f"'{meant}'")
                yield ValueError, told, [{option: text}]
        told = f"{option} must be one of {quoted(known)}."
        if option == "policy":
            told = "policy must be a string, the name of a policy."
        yield TypeError, told, [{option: value} for value in NO_STRINGS[option]]
    for option, values in FLAGS.items():
        told = f"{option} must be True or False."
        yield TypeError, told, [{option: value} for value in values]
    for option, value in OF_SEQUENTIAL_FIT.items():
        told = f"the option '{option}' is taken by the policy 'sequential_fit' alone. Leave it out,"
        others = [{"policy": name, option: value} for name in NAMES if name != "sequential_fit"]
        yield ValueError, f"{told} or ask for that policy.", others


@every_opener
@pytest.mark.parametrize(("error", "told", "wrong"), [*wrong_values()])
def test_a_wrong_value_of_an_option_is_one_sentence(
    opener: Callable[..., object],
    known: list[str],
    error: type[Exception],
    told: str,
    wrong: list[dict[str, Any]],
) -> None:
    for options in wrong:
        for private in {"threads", "huge_pages", "tags"} & {*options} - {*known}:
            told = unknown(f"option '{private}' here", known, "")
        for policy in [{}] if "policy" in options else [{}, {"policy": "sequential_fit"}]:
            with pytest.raises(error) as caught:
                opener(**policy, **options)
            assert (caught.type, str(caught.value)) == (error, told)


UNKNOWN_OPTIONS = {
    "policy": ["polizy", "Policy", "policy\0", "pölicy", "polcy"],
    "checks": ["check", "Checks"],
    "zero_on_free": ["zero-on-free", "zero"],
    "headers": ["header"],
    "threads": ["thread"],
    "": ["", "\ud800", "e", "align", "size_of_the_region", "x" * 1000],
}
"""Names that are no option, by the option that was meant."""


@every_opener
@pytest.mark.parametrize("meant", UNKNOWN_OPTIONS)
def test_an_unknown_option_is_named_beside_the_known_ones(
    opener: Callable[..., object], known: list[str], meant: str
) -> None:
    for name in UNKNOWN_OPTIONS[meant]:
        with pytest.raises(TypeError) as caught:
            opener(**{name: None})
        guess = f"{meant}=" if meant in known else ""
        assert str(caught.value) == unknown(f"option {name!r} here", known, guess)


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("headers", [True, False])
def test_blocks_that_are_not_written_take_no_memory(headers: bool) -> None:
    """Each takes at most the page of its header."""
    before = resident()
    with Heap(1 << 30, headers=headers) as heap:
        blocks = heap.malloc_many([2 << 20] * 400)
        assert resident() - before < 16 << 20
        heap.free_many(blocks)


@pytest.mark.skipif(not THP.exists(), reason="the system has no huge pages")
@pytest.mark.parametrize("asked", [True, False])
def test_huge_pages_are_asked_for_by_the_option_alone(asked: bool) -> None:
    with Heap(8 << 20, huge_pages=asked) as heap:
        mappings = re.split(r"\n(?=[0-9a-f]+-)", Path("/proc/self/smaps").read_text())
        [here] = [one for one in mappings if has_byte(one, heap.address)]
        assert (" hg" in here, " nh" in here) == (asked, not asked)


def has_byte(mapping: str, address: int) -> bool:
    first, end = (int(number, 16) for number in mapping.split(maxsplit=1)[0].split("-"))
    return first <= address < end


def test_huge_pages_are_refused_where_memory_has_an_owner() -> None:
    with pytest.raises(ValueError, match="'huge_pages' is about memory that the heap maps itself"):
        Heap.over(bytearray(4096), huge_pages=True)
