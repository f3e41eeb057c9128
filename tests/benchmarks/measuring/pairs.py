"""A block of 64 bytes made and given back, beside what a program would use instead.

Every contender holds one block at a time and works in a heap that is otherwise empty: its best
case, for all alike.
"""

from __future__ import annotations

from glassheap import Heap
from measuring.peers import BLOCK, METHODS, PEERS, REGION, Peer
from measuring.results import Bar, PeerMissingError, Section, middle, number, spread
from measuring.timing import EMPTY_LOOP, Contender, Times, race, ratio

OWN = "glassheap"


def measure(rounds: int, seconds: float) -> Section:
    """Every peer that can be had, beside glassheap."""
    own = Contender(OWN, METHODS, {"heap": Heap(REGION)})
    contenders, notes = entrants()
    times = race([own, *contenders], rounds, seconds)
    loop = times.pop(EMPTY_LOOP.name)
    return Section(
        title=f"malloc and free of {BLOCK} bytes, from Python",
        notes=[f"The empty loop takes {middle(loop)} ns, subtracted from every row.", *notes],
        columns=["by", "ns a pair", "all rounds", "times glassheap's"],
        rows=[row(name, taken, times[OWN]) for name, taken in times.items()],
        bars=[bar(peer, times.get(peer.name), times[OWN]) for peer in PEERS if has_bar(peer)],
        samples={EMPTY_LOOP.name: loop, **times},
        unit="ns",
    )


def entrants() -> tuple[list[Contender], list[str]]:
    """The peers that this machine has, and a sentence about each that it has not."""
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer in PEERS:
        entrant = enter(peer)
        if isinstance(entrant, Contender):
            contenders.append(entrant)
        else:
            missing.append(entrant)
    return contenders, missing


def enter(peer: Peer) -> Contender | str:
    """The peer, or the sentence that says why it cannot be had."""
    try:
        return peer.contender()
    except PeerMissingError as reason:
        return f"Not measured: {peer.name}, because {reason}."


def row(name: str, times: Times, own: Times) -> list[str]:
    """A contender's line in the table."""
    return [name, middle(times), spread(times), number(ratio(times, own))]


def has_bar(peer: Peer) -> bool:
    """Whether anything is wanted of the comparison."""
    return peer.most is not None or peer.faster is not None


def bar(peer: Peer, times: Times | None, own: Times) -> Bar:
    """What is wanted, and what is so."""
    what = f"a pair, against {peer.name}"
    if peer.most is not None:
        figure = None if times is None else ratio(own, times)
        return Bar(what, "at most", peer.most, "times its time", figure)
    limit = peer.faster or 1
    side = "more than" if limit == 1 else "at least"
    return Bar(what, side, limit, "times as fast", None if times is None else ratio(times, own))
