"""Conversion of raw rows to records."""
