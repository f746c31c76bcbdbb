"""The endpoint to which CrowdTwist's Live Push posts events: each is on disk before its 200.

    export CROWDTWIST_RECEIVER_API_KEY=...
    crowdtwist-receiver --directory /var/lib/crowdtwist/live --port 8700

CrowdTwist posts JSON to one https endpoint of the client's, with Basic authentication or an
`x-api-key`, unsigned, and tries five times an hour for eight hours ("Data Push Overview"). Whether
it takes one URL or one for each feed is not documented, so there are both: `POST /live`, and
`/live/users`, `/live/activities`, `/live/redemptions`, `/live/points-expiration`, `/live/segments`.

What arrives stands in one flat directory, in files `{feed}-{YYYYMMDD}T{HH}-{instance}.jsonl`: the
feed, the UTC hour of receipt, and eight hexadecimal digits so that no two processes share a file.
A line is `{"received_at":"2026-11-20T10:00:00.123456Z","event":{...}}`, the event as it was sent.
Lines are only ever added, and only the last one of a file can be incomplete: then it has no line
end, and was never acknowledged.

It needs a POSIX system, and the extra `receiver`.
"""
