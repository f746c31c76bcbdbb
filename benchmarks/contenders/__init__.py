"""Programs that read the same resources of the same members, each in another way."""
