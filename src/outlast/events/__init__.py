"""What happens, in words, shared by log, timeline and command line. A docstring says only what a sentence does not."""
