"""What the machine knows: processes, forks, locks, signals, memory, folders."""
