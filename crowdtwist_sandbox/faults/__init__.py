"""Fault injection: errors, broken connections and wrong pages, reproducible by seed.

A spec lists faults, separated by commas. `late:2=0.1` is a fault, its parameter and its rate;
`reset_before@17` or `redirect@3,9` give request numbers instead of a rate. Requests to both hosts
are numbered together, from 1 since the faults were set; those to the control surface are not
counted. A rate is the probability for each request, drawn from (seed, fault, request number), so a
retry of the same URL is drawn anew. Which URL gets which number depends on the client, and varies
if it sends requests concurrently. A request meets one fault at most: the first match in the spec,
request numbers before rates.

A paging fault (kind `lie`) belongs to a listing, that is a path with its parameters except page and
key. Its rate is the probability for each listing, and a faulty listing stays faulty until the
faults are set anew. A request number makes the listing of that request faulty from then on. Bare
arrays have no paging faults. The option `quirks` has no effect on a faulty listing.

The word `all`, or a kind (`transient`, `persistent`, `fatal`, `lie`), stands for a mixture: its
rate is the probability of any of its faults, each equally likely. With `all=0.02`, 2 % of the
requests meet a fault, and 2 % of the listings are faulty.
"""

from crowdtwist_sandbox.faults.registry import ALL_FAULTS, Entry, Kind

__all__ = ["ALL_FAULTS", "Entry", "Kind"]
