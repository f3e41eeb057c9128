"""`python -m glassheap`: the command line of `glassheap.cli`."""

import sys

from glassheap.cli import main

if __name__ == "__main__":
    sys.exit(main())
