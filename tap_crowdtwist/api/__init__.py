"""HTTP client of the CrowdTwist read API. Knows nothing of Singer."""
