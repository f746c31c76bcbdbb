"""Singer streams: name, keys, schema and replication of each resource."""

from tap_crowdtwist.streams import batch_activity, data_push, live_push, members, program, runs

API_STREAMS = (*program.STREAMS, *members.STREAMS)
"""Streams that are read from the API, those of the program first."""

FILE_STREAMS = (*data_push.STREAMS, *live_push.STREAMS, *batch_activity.STREAMS)
"""Streams that are read from files; each exists only if its path is set."""

STREAMS = (*API_STREAMS, *FILE_STREAMS, *runs.STREAMS)
"""Every stream of the tap; they are read in the order of their names, that of the run last."""
