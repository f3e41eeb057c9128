"""docs/safety.md: the cost of the checks, and the same mistakes on several allocators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tables import Page, brief, figures, table

if TYPE_CHECKING:
    from tables import Results


def checks(it: Results) -> Page:
    """The time of a pair at each level of checks."""
    facts = ", ".join(it.facts["machine"][key] for key in ("system", "compiler", "measured"))
    note = f"Nanoseconds of a free and a malloc in C++, with 1,000 live blocks ({facts})."
    for name in it.groups("checks:"):
        cost = it.figure(f"{name}/default checks") - it.figure(f"{name}/no checks")
        it.values[f"{name}/cost of the checks"] = [cost]
    own = "checks:segregated_fit/default checks"
    others = [f"checks:segregated_fit/{level}" for level in ("no checks", "debug")]
    costs = figures(it, "", "ns", it.groups("checks:"), note)
    return [costs], [brief(it, "a pair in C++, `segregated_fit`", "ns", own, *others)]


def misuse(it: Results) -> Page:
    """The outcome of each fault on each allocator."""
    machine, outcomes = it.facts["machine"], it.facts["misuse"]
    facts = ", ".join(machine[key] for key in ("system", "libc", "packages"))
    rows = [[fault, *cells.values()] for fault, cells in outcomes.items()]
    columns = ["fault", *next(iter(outcomes.values()))]
    made = f"Made on {facts}, glassheap {machine['glassheap']}."
    return [made, table(columns, rows, "left")], []
