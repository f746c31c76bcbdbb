"""Receiver for the events of CrowdTwist's Live Push: an event is on disk before its 200 is sent.

    export CROWDTWIST_RECEIVER_API_KEY=...
    crowdtwist-receiver --directory /var/lib/crowdtwist/live --port 8700

CrowdTwist posts unsigned JSON to an https endpoint of the client, with Basic authentication or an
`x-api-key`, and retries five times an hour for eight hours ("Data Push Overview"). Whether it posts
to one URL or to one per feed is not documented, so both exist: `POST /live`, and
`/live/users`, `/live/activities`, `/live/redemptions`, `/live/points-expiration`, `/live/segments`.

Events are written to one flat directory, in files `{feed}-{YYYYMMDD}T{HH}-{instance}.jsonl`: the
feed, the UTC hour of receipt, and eight hexadecimal digits, so that no two processes share a file.
A line is `{"received_at":"2026-11-20T10:00:00.123456Z","event":{...}}`, the event as it was sent.
Files are append-only. Only the last line of a file can be incomplete: it then has no line end and
was never acknowledged.

Requires a POSIX system and the extra `receiver`.
"""
