"""Faults on purpose: what a client meets on a bad day, the same again for the same seed.

A spec names faults, separated by commas: `late:2=0.1` is the fault, its parameter and its rate;
`reset_before@17` or `redirect@3,9` are request numbers instead. Requests to both hosts are numbered
together, from 1 since the faults were set; those to the control surface do not count. A rate is the
chance of each request, drawn from (seed, fault, request number), so that a repetition of the same
URL draws anew. Which URL has which number is up to the client, and varies if it asks side by side.
A request meets one fault at most: the first of the spec that hits it, those by number before those
by rate.

A lie belongs to a listing (a path with its parameters, the page and the key aside) rather than to a
request: a rate is the chance of each listing, and a listing that lies does so until the faults are
set anew; by number, the listing that this request asks for lies from then on. Bare arrays tell no
lies. The oddities of the option `quirks` are off in a listing that lies.

The word `all`, or a kind (`transient`, `persistent`, `fatal`, `lie`), stands for a mixture: its
rate is the chance to meet any of its faults, each as likely as the others. Under `all=0.02`, two
requests in a hundred are hurt, and two listings in a hundred lie.
"""

from crowdtwist_sandbox.faults.catalogue import CATALOGUE, Entry, Kind

__all__ = ["CATALOGUE", "Entry", "Kind"]
