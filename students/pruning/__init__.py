"""Structured pruning: heads, feed-forward neurons, hidden width and layers that are removed, not masked."""
