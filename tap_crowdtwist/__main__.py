"""`python -m tap_crowdtwist` is `tap-crowdtwist`."""

from tap_crowdtwist.cli import main

main()
