"""`python -m signedmsg`: the command line where no script is installed."""

from __future__ import annotations

import sys

from signedmsg.cli import main

sys.exit(main())
