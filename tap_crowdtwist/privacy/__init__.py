"""Protection of personal data and secrets: a policy for records, redaction for logs."""
