"""What users set: the declaration of settings, and checks of settings, catalog and state."""
