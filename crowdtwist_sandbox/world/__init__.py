"""The made-up program and its members: what is true, whatever the wire makes of it."""
