"""Helpers that tests share. No helper imports a test module."""
