"""The project's source code: what its functions read, share and start."""
