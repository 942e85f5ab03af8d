"""`python -m outlast.child CHANNEL ORDERS LIFELINE`: a task process. The runner starts it, with these sockets."""

import socket
import sys

from outlast.child.main import main


def inherited(descriptor: str) -> socket.socket:
    """A socket that only this process shall have from now on."""
    own = socket.socket(fileno=int(descriptor))
    own.set_inheritable(False)
    return own


if __name__ == "__main__":
    main(*map(inherited, sys.argv[1:]))
