"""Entry point of `python -m crowdtwist_receiver`, the same as `crowdtwist-receiver`."""

import sys

from crowdtwist_receiver.command import main

sys.exit(main())
