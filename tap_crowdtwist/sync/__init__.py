"""One run: the work that its streams share, and what it reports."""
