"""Where tasks are kept: what an engine has to do, and the group commit."""
