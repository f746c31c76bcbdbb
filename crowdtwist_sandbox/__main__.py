"""`python -m crowdtwist_sandbox` is the command `crowdtwist-sandbox`."""

import sys

from crowdtwist_sandbox.cli import main

sys.exit(main())
