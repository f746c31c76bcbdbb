"""HTTP client for the CrowdTwist read API, independent of Singer.

`client.Client` is the entry point: `get` returns one payload, `rows` returns a whole listing. The
resources are in `endpoints`, the exceptions in `errors`.
"""
