"""What CrowdTwist sends by itself, and what a brand sends to it, of one day of the sandbox.

Data Push files, Live Push events, and a file of Batch Activity Credit: all of them tell of the same
day what the API answers at its end.
"""
