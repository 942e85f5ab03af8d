"""Programs that measurements run as processes of their own; each prints one JSON document."""
