"""What may leave the tap: in records by policy, in logs by redaction."""
