"""In a web worker: the doorway through which tasks leave a request, and the way to journal and runner."""
