"""The runner: claims tasks, hands them to task processes, and settles what becomes of them."""
