"""The estimate of `--estimate`: what a sync of the whole roster costs, from a sample of it."""

from tap_crowdtwist.estimate.command import print_estimate

__all__ = ["print_estimate"]
