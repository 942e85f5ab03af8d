"""The figures of outlast, each beside the bare limit of the same run: `python -m bench`."""
