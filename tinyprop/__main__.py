"""``python -m tinyprop`` is the command ``tinyprop``."""

import sys

from tinyprop.cli import main

sys.exit(main())
