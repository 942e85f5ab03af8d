"""`python -m outlast.child CHANNEL ORDERS LIFELINE`: a task process. The runner starts it, with these sockets."""

import sys

from outlast.child.main import main
from outlast.wire.sockets import owned

if __name__ == "__main__":
    channel, interrupts, lifeline = map(owned, sys.argv[1:])
    main(channel, interrupts, lifeline)
