"""`crowdtwist-conformance`: compares what a program really does with what the tap assumes.

`probes` asks, `assumptions` judges, `report` writes, `cli` is the command. Nothing imports this
package.
"""
