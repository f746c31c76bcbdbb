"""Finding and reading the files that CrowdTwist, the receiver or the brand write.

There are three kinds, each with its own folder, glob or URL: the daily CSV files of Data Push, the
Live Push events that the receiver has stored, and the files that the brand has sent as Batch
Activity Credit. This package uses neither Singer nor the API, and never writes a file.
"""
