"""The options of a heap: policy, headers, base, size; and the errors for invalid ones."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

import glassheap
from glassheap.placement import PolicyName

NAMES = [policy.name for policy in glassheap.policies()]
OTHERS = [name for name in NAMES if name != "sequential_fit"]
ALL_NAMES = ", ".join(f"'{name}'" for name in NAMES)
OF_SEQUENTIAL_FIT = [("fit", "best"), ("order", "size+"), ("coalesce", False), ("coalesce", True)]


# --- Policies. ------------------------------------------------------------------------------------
def test_there_are_eight_policies_and_the_first_is_the_default() -> None:
    assert NAMES == [
        "first_fit",
        "next_fit",
        "best_fit",
        "worst_fit",
        "segregated_fit",
        "tlsf",
        "buddy",
        "sequential_fit",
    ]
    assert glassheap.Heap().policy == NAMES[0]


@pytest.mark.parametrize("info", glassheap.policies(), ids=lambda info: info.name)
def test_a_policy_has_a_summary_a_cost_and_a_source(
    info: glassheap.PolicyInfo,
) -> None:
    assert isinstance(info, glassheap.PolicyInfo)
    assert info._fields == ("name", "summary", "cost", "source")
    assert re.fullmatch(r"[a-z][^\n]{10,70}[^.\n]", info.summary)
    assert re.search(r"O\(.+\)", info.cost)
    assert re.search(r"[A-Z]", info.source)


def test_the_enumeration_has_the_policies_in_their_order() -> None:
    assert [member.value for member in glassheap.Policy] == NAMES
    assert [member.name.lower() for member in glassheap.Policy] == NAMES


def test_the_literals_are_the_names_of_the_policies() -> None:
    assert [*get_args(PolicyName)] == NAMES


@pytest.mark.parametrize("member", list(glassheap.Policy), ids=str)
def test_a_member_of_the_enumeration_selects_its_policy(member: glassheap.Policy) -> None:
    with glassheap.Heap(policy=member) as heap:
        assert type(heap.policy) is str
        assert heap.policy == member == str(member)
        assert glassheap.Policy(heap.policy) is member
        assert f", {member}: 0 live" in repr(heap)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("worst", "worst_fit"), ("", ""), ("First_fit", "first_fit"), ("tlsf ", "tlsf"),
        ("tlsf\0", "tlsf"), ("first_fit\n", "first_fit"), ("ü", ""), ("glibc", ""),
    ],
)  # fmt: skip
def test_an_unknown_policy_is_an_error_that_lists_the_policies(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match="there is no policy") as caught:
        glassheap.Heap(policy=name)
    known = f"did you mean '{meant}'? There are" if meant else "there are"
    assert str(caught.value) == f"there is no policy '{name}'; {known}: {ALL_NAMES}."
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("policy", [5, None, ["tlsf"], b"tlsf", bytearray(b"tlsf"), "\ud800"])
def test_a_policy_that_is_not_a_string_is_a_type_error(policy: Any) -> None:
    with pytest.raises(TypeError, match="policy must be a string"):
        glassheap.Heap(policy=policy)


# --- The options of sequential_fit. ---------------------------------------------------------------
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(("option", "value"), OF_SEQUENTIAL_FIT)
def test_an_option_of_sequential_fit_is_refused_by_every_other_policy(
    name: str, option: str, value: Any
) -> None:
    text = f"the option '{option}' is taken by the policy 'sequential_fit' alone."
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        glassheap.Heap(policy=name, **{option: value})
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_is_none_counts_as_not_given(name: str) -> None:
    heap = glassheap.Heap(policy=name, fit=None, order=None, coalesce=None)
    assert heap.free_list() == [(heap.base, 4080)]


@pytest.mark.parametrize("policy", ["sequential_fit", "first_fit"])
@pytest.mark.parametrize(
    ("option", "value", "known"),
    [
        ("fit", "next", "'first', 'best', 'worst'"),
        ("fit", "\0", "'first', 'best', 'worst'"),
        ("order", "ADDRSORT", "'address', 'size+', 'size-', 'front', 'back'"),
        ("order", "", "'address', 'size+', 'size-', 'front', 'back'"),
    ],
)
def test_an_unknown_fit_or_order_is_an_error_that_lists_the_known_ones(
    policy: str, option: str, value: Any, known: str
) -> None:
    with pytest.raises(ValueError, match="there is no") as caught:
        glassheap.Heap(policy=policy, **{option: value})
    assert str(caught.value) == f"there is no {option} '{value}'; there are: {known}."


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("fit", 1, "fit must be one of 'first', 'best', 'worst'."),
        ("order", True, "order must be one of 'address', 'size+', 'size-', 'front', 'back'."),
        ("order", b"front", "order must be one of 'address'"),
        ("coalesce", "no", "coalesce must be True or False."),
        ("coalesce", 1, "coalesce must be True or False."),
    ],
)
def test_an_option_of_the_wrong_type_is_a_type_error(option: str, value: Any, text: str) -> None:
    with pytest.raises(TypeError, match=re.escape(text)):
        glassheap.Heap(policy="sequential_fit", **{option: value})


def test_sequential_fit_defaults_to_first_fit_in_address_order_with_coalescing() -> None:
    heap = glassheap.Heap(policy="sequential_fit", base=0)
    low, between, high, _ = heap.malloc_many([64, 8, 32, 8])
    heap.free_many([high, low])
    assert heap.free_list()[:2] == [(low - 16, 64), (high - 16, 32)]
    assert heap.malloc(32) == low
    heap.free(low)
    heap.free(between)
    assert heap.free_list()[0] == (low - 16, 64 + 32 + 48)


# --- Headers, and the smallest regions. -----------------------------------------------------------
@pytest.mark.parametrize("policy", NAMES)
@pytest.mark.parametrize(
    ("headers", "base", "offered"),
    [(True, None, 4080), (True, 0, 4080), (False, None, 4096), (False, 4096, 4096)],
)
def test_a_fresh_page_offers_all_bytes_but_the_header(
    policy: str, headers: bool, base: int | None, offered: int
) -> None:
    heap = glassheap.Heap(4096, policy=policy, headers=headers, base=base)
    assert heap.headers is headers
    assert heap.size == 4096
    assert heap.free_list() == [(heap.base, offered)]
    assert heap.available_memory() == heap.largest_free() == offered
    assert heap.check() == []


@pytest.mark.parametrize("policy", NAMES)
def test_without_headers_and_with_base_0_the_first_granule_stays_unused(policy: str) -> None:
    """Otherwise a payload could have the address 0."""
    heap = glassheap.Heap(4096, policy=policy, headers=False, base=0)
    assert heap.available_memory() == heap.stats().available == 4080
    assert heap.walk()[0].start == 16
    assert min(block.address for block in heap.free_list()) == 16
    addresses = [heap.malloc(1) for _ in range(255)]
    assert sorted(addresses) == [*range(16, 4096, 16)]
    for odd in (1, 8, 15):
        with pytest.raises(glassheap.MisalignedPointer):
            heap.free(odd)
    with pytest.raises(glassheap.OutOfMemory):
        heap.malloc(1)


@pytest.mark.parametrize("option", ["headers", "zero_on_free", "threads"])
@pytest.mark.parametrize("value", [None, "no", [], 0, 1, 2, 1.0])
def test_a_boolean_option_accepts_only_true_and_false(option: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{option} must be True or False.$"):
        glassheap.Heap(**{option: value})


@pytest.mark.parametrize("policy", NAMES)
@pytest.mark.parametrize(
    ("headers", "base", "least"), [(True, None, 16), (True, 0, 16), (False, 16, 16), (False, 0, 32)]
)
def test_a_region_too_small_is_an_error_with_the_least_size(
    policy: str, headers: bool, base: int | None, least: int
) -> None:
    for size in (0, least - 1):
        with pytest.raises(glassheap.InvalidSize) as caught:
            glassheap.Heap(size, policy=policy, headers=headers, base=base)
        text = (
            f"the region of a heap with these options has from {least} to 68719476720 bytes, not "
            f"{size}."
        )
        assert str(caught.value) == text
    with glassheap.Heap(least, policy=policy, headers=headers, base=base) as heap:
        assert len(heap.free_list()) == 1
        heap.free(heap.malloc(heap.largest_free()))


@pytest.mark.parametrize("policy", NAMES)
def test_own_memory_is_the_memory_outside_the_region(policy: str) -> None:
    """It is a block map of a 64th of the region and an index of less than a 32nd."""
    small, large = (glassheap.Heap(size, policy=policy) for size in (4096, 1 << 24))
    assert 0 < small.own_memory() < large.own_memory()
    assert (1 << 24) / 64 < large.own_memory() < (1 << 24) / 64 + (1 << 24) / 32
    before = large.own_memory()
    large.malloc_many([16] * 1000)
    assert large.own_memory() == before
    large.close()
    with pytest.raises(glassheap.HeapClosed):
        large.own_memory()
