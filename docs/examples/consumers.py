"""One process produces messages and three consume them: one block a message, in one segment.

    python docs/examples/consumers.py

A message is written once, and never copied. The producer shares its block, sends it, and drops it.
The last reference that is dropped frees the block: that is the consumer's, at the end of its work
on the message. If a consumer dies while it has a message, reap() frees the block.
"""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from glassheap import SharedHeap

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

    from glassheap import Block

MESSAGES = 300
CONSUMERS = 3
SIZE = 10_000


def consume(messages: Queue[Block | None], results: Queue[tuple[int, int]]) -> None:
    """Add up messages until the queue sends None."""
    count = total = 0
    while (block := messages.get()) is not None:
        with block, memoryview(block) as message:  # its end drops the reference
            total += message[0]
            count += 1
    results.put((count, total))


def produce(heap: SharedHeap, messages: Queue[Block | None]) -> None:
    """Write each message into a block of its own, and send it."""
    for number in range(MESSAGES):
        block = heap.alloc(SIZE).share()
        with memoryview(block) as message:
            message[:] = bytes([number % 100]) * SIZE
        messages.put(block)  # the queue sends it later, and needs it until then


def main() -> None:
    """Run the producer and its consumers, and print the totals."""
    context = multiprocessing.get_context("spawn")
    messages: Queue[Block | None] = context.Queue(50)  # the heap has room for twice as many
    results: Queue[tuple[int, int]] = context.Queue()
    with SharedHeap.create(size=1 << 20) as heap:
        workers = [
            context.Process(target=consume, args=(messages, results)) for _ in range(CONSUMERS)
        ]
        for worker in workers:
            worker.start()
        produce(heap, messages)
        for _ in workers:
            messages.put(None)
        counts = [results.get() for _ in workers]
        for worker in workers:
            worker.join()
        print(
            f"{sum(count for count, _ in counts)} messages, "
            f"sum {sum(total for _, total in counts)}, {len(heap)} blocks left"
        )


if __name__ == "__main__":
    main()
