"""`glassheap ostep`: the homework of OSTEP chapter 17, free-space management, on the model.

    options.py     the arguments, and what each may be
    operations.py  what is to be done: a list given by hand, or random operations (rule 8)
    playing.py     does it, on `glassheap.model.FreeList`, and records every step
    printing.py    the text of the homework program, answers or questions
    explaining.py  why: what was looked at, refused, chosen, split, merged      (--explain)
    drawing.py     a map of the region                                         (--show)
    program.py     the command: plays, and prints each step as it is made

    options --operations--> playing --a Step--> printing | explaining | drawing

With `-c` the output is that of the homework program, byte for byte; without it the questions alone
are printed, as that program does. Lines that --explain and --show add begin with two spaces, where
none of the program's own lines do: without them the output is the program's again.
"""
