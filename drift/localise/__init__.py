"""When a change was, and how large: candidates kept while the stream runs (FOCuS), estimates made at the alarm."""
