"""Benchmarks of the tap against other ways to read the same data: `python -m benchmarks`."""
