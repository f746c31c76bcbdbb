"""Files that CrowdTwist, its receiver or the brand leave somewhere: found, told apart, read.

Three kinds, each with its own folder, glob or URL: the daily CSV files of Data Push, what the
receiver has captured of Live Push, and what the brand has sent as Batch Activity Credit. Nothing
here knows of Singer or of the API, and nothing is ever written.
"""
