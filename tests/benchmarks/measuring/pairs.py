"""malloc and free of a block of 64 bytes, beside the alternatives of a program.

Every contender has one block at a time, in a heap that is otherwise empty: the best case for all of
them alike.
"""

from __future__ import annotations

from glassheap import Heap
from measuring.peers import BLOCK, METHODS, PEERS, REGION, Peer
from measuring.results import Bar, PeerMissingError, Section, middle, number, spread
from measuring.timing import EMPTY_LOOP, Contender, Times, ratio, run_interleaved

OWN = "glassheap"


def measure(rounds: int, seconds: float) -> Section:
    """Measure glassheap and every peer that is available."""
    own = Contender(OWN, METHODS, {"heap": Heap(REGION)})
    contenders, notes = available_peers()
    times = run_interleaved([own, *contenders], rounds, seconds)
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


def available_peers() -> tuple[list[Contender], list[str]]:
    """The peers that are available on this machine, and a sentence about each of the others."""
    contenders: list[Contender] = []
    missing: list[str] = []
    for peer in PEERS:
        found = contender_or_reason(peer)
        if isinstance(found, Contender):
            contenders.append(found)
        else:
            missing.append(found)
    return contenders, missing


def contender_or_reason(peer: Peer) -> Contender | str:
    """The peer as a contender, or a sentence with the reason why it is not available."""
    try:
        return peer.contender()
    except PeerMissingError as reason:
        return f"Not measured: {peer.name}, because {reason}."


def row(name: str, times: Times, own: Times) -> list[str]:
    """The row of a contender in the table."""
    return [name, middle(times), spread(times), number(ratio(times, own))]


def has_bar(peer: Peer) -> bool:
    """True if the comparison with this peer has a bar."""
    return peer.most is not None or peer.faster is not None


def bar(peer: Peer, times: Times | None, own: Times) -> Bar:
    """The bar of the comparison, with its figure."""
    what = f"a pair, against {peer.name}"
    if peer.most is not None:
        figure = None if times is None else ratio(own, times)
        return Bar(what, "at most", peer.most, "times its time", figure)
    limit = peer.faster or 1
    side = "more than" if limit == 1 else "at least"
    return Bar(what, side, limit, "times as fast", None if times is None else ratio(times, own))
