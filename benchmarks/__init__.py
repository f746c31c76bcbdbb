"""What a sweep costs, beside the obvious ways to write one: `python -m benchmarks`."""
