"""Command `crowdtwist-conformance`: compares a live program with what the tap assumes.

`collector` and `date_queries` send requests through `requester`, whose `recorder` enforces the
budget of requests. The responses are `observations`, collected in `evidence`. The `…_checks`
modules turn evidence into `findings`, `report` renders them, and `cli` is the command. Nothing
else in the tap imports this package.
"""
