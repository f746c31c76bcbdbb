"""The two hosts of the API, and the sandbox's control surface."""
