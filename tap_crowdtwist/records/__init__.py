"""From a raw row to a record."""
