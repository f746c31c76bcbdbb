"""Settings: their declaration, and checks of the settings, the catalog and the state."""
