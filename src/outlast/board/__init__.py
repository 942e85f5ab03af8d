"""The dashboard: pages on what is in a journal, and the few things that may be done there."""
