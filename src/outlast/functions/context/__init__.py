"""The context variables of a request: which of them go along with its tasks."""
