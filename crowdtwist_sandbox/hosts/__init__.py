"""The two hosts of the API, and the control surface of the sandbox."""
