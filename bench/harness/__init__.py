"""What the measurements share: figures, rounds, a place on a real disk, servers, bare SQLite."""
