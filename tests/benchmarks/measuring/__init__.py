"""The parts of the benchmark of the Python calls; `calls.py` says what it measures and how.

command     arguments, the order of things, exit status
timing      contenders taking turns                       results     sections and bars
pairs       malloc + free beside its peers                reporting   as text, JSON, Markdown
batches     malloc_many, free_many                        machine     what it was measured on
start       import glassheap                              building    the peers that need a compiler
memory      bytes of a live block, of the import          foreign     libc by ctypes and cffi
wheel       its size
replays     recorded programs
"""
