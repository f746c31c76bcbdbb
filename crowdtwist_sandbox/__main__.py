"""Entry point of `python -m crowdtwist_sandbox`, the same as `crowdtwist-sandbox`."""

import sys

from crowdtwist_sandbox.command import main

sys.exit(main())
