"""The feeds of one day: what CrowdTwist pushes to a brand, and what a brand uploads to it.

Data Push files, Live Push events and a Batch Activity Credit file. All of them agree with what the
API returns at the end of that day.
"""
