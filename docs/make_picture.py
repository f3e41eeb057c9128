"""Draw docs/map.svg, the picture in the README: a page of memory after a few mallocs and frees.

    python docs/make_picture.py

The picture is drawn by the heap that it shows, so it cannot go out of date unseen: a test makes it
again and compares. It has a card of its own behind it, dark where the reader's page is dark.
"""

from __future__ import annotations

import sys
from pathlib import Path

import glassheap
from glassheap.pictures import scale, svg_map

PICTURE = Path(__file__).with_name("map.svg")

SIZES = (100, 200, 300, 24, 496, 64, 120, 333, 40, 700)
FREED = (1, 4, 6)

CARD = (
    "<style>svg{color:#1f2328}.card{fill:#f6f8fa}"
    "@media(prefers-color-scheme:dark){svg{color:#e6edf3}.card{fill:#161b22}}</style>"
    '<rect class="card" width="100%" height="100%" rx="10"/>'
)


def picture() -> str:
    """The image, with addresses that count from the first byte of the page."""
    with glassheap.Heap(4096, base=0) as heap:
        addresses = heap.malloc_many(SIZES)
        heap.free_many([addresses[index] for index in FREED])
        return svg_map.draw(scale.capture(heap), backdrop=CARD) + "\n"


def main() -> int:
    """Write the picture; on failure one sentence on stderr and status 1."""
    try:
        PICTURE.write_text(picture(), encoding="utf-8")
    except OSError as error:
        print(f"cannot write {PICTURE}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{PICTURE.name} is drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main())
