"""A task process: runs attempts, and reports them."""
