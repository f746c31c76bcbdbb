"""Singer tap for Oracle CrowdTwist Loyalty and Engagement."""
