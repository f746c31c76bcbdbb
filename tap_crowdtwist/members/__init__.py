"""The members to read: the roster, where it comes from, and the numeric ids of its members."""
