"""`python -m crowdtwist_receiver` is the command `crowdtwist-receiver`."""

import sys

from crowdtwist_receiver.cli import main

sys.exit(main())
