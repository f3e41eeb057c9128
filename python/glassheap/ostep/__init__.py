"""`glassheap ostep`: the homework of OSTEP chapter 17, free-space management, on the model.

    options.py     the arguments and their valid values
    operations.py  the operations: a list from the command line, or random ones (rule 8)
    playing.py     executes them on `glassheap.model.FreeList`, and records every step
    printing.py    the text of the homework program, answers or questions
    explaining.py  the reasons: elements searched, refused, chosen, split, merged   (--explain)
    drawing.py     a map of the region                                             (--show)
    figures.py     the options and the answers as figures                          (--json)
    program.py     the command: plays the operations, and prints each step at once

    options --operations--> playing --a Step--> printing | explaining | drawing

With `-c` the output is that of the homework program, byte for byte. Without it, only the questions
are printed, as that program does. The lines added by --explain and --show begin with two spaces,
and none of the program's own lines does: removing them leaves the program's output.
"""
