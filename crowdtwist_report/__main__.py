"""Run `python -m crowdtwist_report`."""

import sys

from crowdtwist_report.command import main

sys.exit(main())
