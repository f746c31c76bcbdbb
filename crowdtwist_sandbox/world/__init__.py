"""The made-up program and its members, independent of how they are sent over HTTP."""
