"""Programs that read the same resources of the same members in different ways."""
