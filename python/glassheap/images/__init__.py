"""The images of shared heaps: `glassheap fsck FILE`, `glassheap inspect NAME|FILE`, `clean`.

Neither of the first two changes the image, unless fsck is told to rebuild it. Both work on a copy
of one moment at which no process was inside the heap. Every call raises a sequence number in the
image, which is odd during the call: a copy is of one such moment if the number was even, and the
same before and after. The copy is then attached to like any heap whose users are gone.

    errors.py      the refusals: of the system, and of a bad image
    copying.py     a copy of one moment
    reading.py     the contents of a copy, and the heap in it
    fsck.py        the check of a copy
    verdict.py     the result of the check, as lines and as a dictionary
    rebuilding.py  a mended image in place of a bad one
    inspecting.py  the heap and the owners of its blocks, as lines and as a dictionary
    segments.py    the segments in shared memory, and the removal of unused ones
    wording.py     lists and counts in a line
"""
