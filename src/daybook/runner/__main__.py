"""`python -m daybook.runner`: what a pod runs. The request comes in the environment, the exit code tells the end."""

from __future__ import annotations

import os
import sys

from daybook.runner.main import run_from_environment

if __name__ == "__main__":
    sys.exit(run_from_environment(os.environ, sys.stdout))
