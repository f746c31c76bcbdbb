"""Who is asked: the roster, where it comes from, and the numbers of its members."""
