"""The parts of the benchmarks of the Python calls; `calls.py` describes figures and method.

command     arguments, order of the sections, exit status
timing      contenders taking turns                       results     sections and bars
pairs       malloc + free beside the peers                reporting   text, JSON, Markdown
batches     malloc_many, free_many                        machine     processor, versions, load
start       import glassheap                              peers       the peers of a pair of calls
memory      bytes of a live block, of the import          building    peers that need a compiler
wheel       size of the wheel                             foreign     libc by ctypes and cffi
replays     recorded programs
sharing     a shared heap in one process                  crossing    a shared heap in several
"""
