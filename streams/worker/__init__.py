"""One worker: a component in its process, from the start to the end."""
