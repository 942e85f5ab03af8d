"""Who blocks an event loop, and what ended a process: signs of life, stacks, verdicts."""
