"""`crowdtwist-conformance`: compares what a program really does with what the tap assumes.

`probes` asks through `recorder`, which keeps to the budget; `evidence` and `looks` are what came.
`program`, `pages`, `rows` and `ranges` hold the assumptions, `report` writes the verdicts, `cli` is
the command. Nothing imports this package.
"""
