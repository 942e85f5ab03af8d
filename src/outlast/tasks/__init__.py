"""A task: its states and moves, its options, its attempts, and what becomes of it."""
