"""The exceptions: what each is also an instance of, and that they travel with their figures."""

from __future__ import annotations

import copy
import mmap
import pickle
from typing import TYPE_CHECKING

import pytest

import glassheap
from fault_fixture import PreparedHeap, prepared_heap
from heap_probes import assert_sentences, overwrite

if TYPE_CHECKING:
    from collections.abc import Callable

BASES = {
    glassheap.HeapError: (Exception,),
    glassheap.OutOfMemory: (glassheap.HeapError, MemoryError),
    glassheap.InvalidSize: (glassheap.HeapError, ValueError),
    glassheap.InvalidAlignment: (glassheap.HeapError, ValueError),
    glassheap.InvalidPointer: (glassheap.HeapError, ValueError),
    glassheap.ForeignPointer: (glassheap.InvalidPointer,),
    glassheap.MisalignedPointer: (glassheap.InvalidPointer,),
    glassheap.InteriorPointer: (glassheap.InvalidPointer,),
    glassheap.DoubleFree: (glassheap.InvalidPointer,),
    glassheap.StaleHandle: (glassheap.InvalidPointer,),
    glassheap.HeapCorrupted: (glassheap.HeapError, RuntimeError),
    glassheap.BadMagic: (glassheap.HeapCorrupted,),
    glassheap.HeaderCorrupted: (glassheap.HeapCorrupted,),
    glassheap.FreeListCorrupted: (glassheap.HeapCorrupted,),
    glassheap.OverflowDetected: (glassheap.HeapCorrupted,),
    glassheap.WriteAfterFree: (glassheap.HeapCorrupted,),
    glassheap.HeapDamaged: (glassheap.HeapError, RuntimeError),
    glassheap.HeapClosed: (glassheap.HeapError, ValueError),
    glassheap.AttachError: (glassheap.HeapError, OSError),
    glassheap.BadImage: (glassheap.AttachError,),
    glassheap.AttachTimeout: (glassheap.AttachError,),
    glassheap.LockTimeout: (glassheap.HeapError, TimeoutError),
}


@pytest.mark.parametrize(("error", "bases"), BASES.items(), ids=str)
def test_an_exception_is_also_what_a_python_user_would_catch(
    error: type[Exception], bases: tuple[type[Exception], ...]
) -> None:
    assert error.__bases__ == bases


def test_every_public_exception_is_in_the_table() -> None:
    public = {getattr(glassheap, name) for name in glassheap.__all__}
    errors = {it for it in public if isinstance(it, type) and issubclass(it, BaseException)}
    assert errors == set(BASES)
    assert {it for it in vars(glassheap.errors).values() if isinstance(it, type)} == errors


def corrupt(prepared: PreparedHeap) -> None:
    overwrite(prepared.heap, prepared.offset(prepared.first) + 8, b"XXXX")
    prepared.heap.free(prepared.first)


def misuse_damaged(prepared: PreparedHeap) -> None:
    with pytest.raises(glassheap.BadMagic):
        corrupt(prepared)
    prepared.heap.malloc(8)


def break_node(prepared: PreparedHeap) -> None:
    overwrite(prepared.heap, prepared.offset(prepared.freed), b"XXXX")
    prepared.heap.malloc(8)


def break_header(prepared: PreparedHeap) -> None:
    overwrite(prepared.heap, prepared.offset(prepared.first), b"XXXX")
    prepared.heap.free(prepared.first)


def use_closed(prepared: PreparedHeap) -> None:
    prepared.heap.close()
    prepared.heap.malloc(8)


def attach_to_nonsense(_: PreparedHeap) -> None:
    glassheap.SharedHeap.attach(buffer=page_of(b"no heap!"))


def attach_to_zeros(_: PreparedHeap) -> None:
    glassheap.SharedHeap.attach(buffer=page_of(bytes(8)), timeout=0)


def page_of(content: bytes) -> mmap.mmap:
    page = mmap.mmap(-1, 1 << 20)
    page[:] = content * (len(page) // len(content))
    return page


RAISING: dict[str, tuple[Callable[[PreparedHeap], object], set[str]]] = {
    "OutOfMemory": (
        lambda b: b.heap.malloc(2**200),
        {"requested", "available", "largest", "free_blocks", "align", "heap"},
    ),
    "InvalidSize": (lambda b: b.heap.malloc(-1), set()),
    "InvalidAlignment": (lambda b: b.heap.malloc(1, align=3), set()),
    "ForeignPointer": (lambda b: b.heap.free(2**200), {"address"}),
    "MisalignedPointer": (lambda b: b.heap.free(b.first + 1), {"address"}),
    "InteriorPointer": (lambda b: b.heap.free(b.first + 16), {"address"}),
    "DoubleFree": (lambda b: b.heap.free(b.freed), {"address"}),
    "StaleHandle": (lambda b: b.stale.free(), {"address"}),
    "BadMagic": (corrupt, {"offset", "field", "expected", "found"}),
    "HeaderCorrupted": (break_header, {"offset", "field", "expected", "found"}),
    "FreeListCorrupted": (break_node, {"offset", "field", "expected", "found"}),
    "HeapDamaged": (misuse_damaged, set()),
    "HeapClosed": (use_closed, set()),
    "BadImage": (attach_to_nonsense, {"field"}),
    "AttachTimeout": (attach_to_zeros, set()),
}


def caught(provoke: Callable[[PreparedHeap], object]) -> glassheap.HeapError:
    with pytest.raises(glassheap.HeapError) as info:
        provoke(prepared_heap())
    return info.value


@pytest.mark.parametrize("name", RAISING)
def test_an_exception_has_a_sentence_and_exactly_its_figures(name: str) -> None:
    provoke, figures = RAISING[name]
    error = caught(provoke)
    assert type(error).__name__ == name
    assert set(vars(error)) == figures
    assert len(error.args) == 1
    assert_sentences(str(error))


@pytest.mark.parametrize("name", RAISING)
@pytest.mark.parametrize(
    "travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy]
)
def test_an_exception_travels_with_its_figures(
    name: str, travel: Callable[[Exception], Exception]
) -> None:
    """From a worker process, say."""
    error = caught(RAISING[name][0])
    arrived = travel(error)
    assert type(arrived) is type(error)
    figures = {name: value for name, value in vars(error).items() if name != "heap"}
    assert (arrived.args, vars(arrived)) == (error.args, figures)


def test_a_finding_reads_as_the_exception_does() -> None:
    for provoke in (corrupt, break_header, break_node):
        prepared = prepared_heap()
        with pytest.raises(glassheap.HeapCorrupted) as info:
            provoke(prepared)
        (finding,) = prepared.heap.check()
        assert str(finding).startswith(str(info.value))
        assert finding.fault == info.type.__name__
        assert pickle.loads(pickle.dumps(finding)) == finding


@pytest.mark.parametrize(
    "travel", [lambda finding: pickle.loads(pickle.dumps(finding)), copy.copy, copy.deepcopy]
)
def test_a_finding_travels_with_its_sentence_and_culprit(
    travel: Callable[[glassheap.Finding], glassheap.Finding],
) -> None:
    prepared = prepared_heap()
    overwrite(prepared.heap, prepared.offset(prepared.second), b"XXXX")
    (finding,) = prepared.heap.check()
    arrived = travel(finding)
    assert type(arrived) is glassheap.Finding
    assert (arrived, arrived.culprit) == (finding, finding.culprit)
    assert arrived.culprit is not None
    assert str(arrived) == str(finding)
    assert_sentences(str(finding))


def test_a_finding_keeps_its_sentence_when_the_heap_changes() -> None:
    prepared = prepared_heap()
    overwrite(prepared.heap, prepared.offset(prepared.first), b"XXXX")
    (finding,) = prepared.heap.check()
    text = str(finding)
    prepared.heap.reset()
    prepared.heap.close()
    assert str(finding) == text


def test_a_finding_made_by_hand_is_printed_as_its_fields() -> None:
    finding = glassheap.Finding("BadMagic", "magic", 4032, 7, 9)
    assert str(finding) == repr(finding)
    assert finding.culprit is None


@pytest.mark.parametrize(
    ("align", "text"),
    [(3, "and 3 is not."), (-2, "and -2 is not."), (2**200, f"and {2**200} is not.")],
)
def test_an_alignment_is_told_as_it_was_given(align: int, text: str) -> None:
    with pytest.raises(glassheap.InvalidAlignment, match=text):
        glassheap.Heap(4096).malloc(1, align=align)


def test_an_alignment_of_thousands_of_digits_need_not_be_printed() -> None:
    with pytest.raises(glassheap.InvalidAlignment, match=r"the one given is not\."):
        glassheap.Heap(4096).malloc(1, align=10**5000)
