"""``python -m pytest_contextcore``: the console script, for where another distribution owns its name."""

import sys

from .commands.cli import main

sys.exit(main())
