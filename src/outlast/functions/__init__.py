"""Which functions and values can travel to another process, and how."""
