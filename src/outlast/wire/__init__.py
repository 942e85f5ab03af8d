"""What processes say to each other, and how it lies on the wire."""
