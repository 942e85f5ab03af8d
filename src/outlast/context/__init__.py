"""The context variables of a request, on their way to its tasks: FastAPI alone runs a task where it sees them."""
