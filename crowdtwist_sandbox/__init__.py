"""A fake CrowdTwist over real HTTP, for developing and testing pipelines against."""
