"""`outlast doctor`: what would go wrong with an app's background tasks, found before it does."""
