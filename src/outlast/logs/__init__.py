"""Logging as the server set it up, in every process."""
