"""What may go wrong in a project, said before it does."""
