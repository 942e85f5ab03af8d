"""`python -m outlast.child DESCRIPTOR`: a task process. The runner starts it, with one end of a socket pair."""

import sys

from outlast.child.main import main

if __name__ == "__main__":
    main(int(sys.argv[1]))
