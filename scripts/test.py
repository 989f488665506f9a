"""Every check and every test, each room in the environment it runs in.

The tests run in two lanes side by side: those that drive a whole stack wait much of their time, and the others fill it.
What the lane of stacks says is shown when the other one is through, so that each can be read.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK_SIDE = ["tests/runner", "tests/notebook", "tests/spark", "tests/databricks", "tests/examples"]
WHOLE_STACKS = "tests/e2e"
CHAOS = "tests/e2e/test_chaos.py"
"""What it found last is mended; it comes back here once it has passed often enough. `make chaos` runs it."""
STACKS = [".venv/bin/pytest", WHOLE_STACKS, f"--ignore={CHAOS}"]
PARTS = [
    [".venv-notebook/bin/pytest", *NOTEBOOK_SIDE],
    [".venv/bin/pytest", "tests", *(f"--ignore={each}" for each in (WHOLE_STACKS, *NOTEBOOK_SIDE))],
]


def main():
    """Runs all, and fails where one has failed."""
    subprocess.run(["sh", "scripts/check.sh"], cwd=ROOT, check=True)
    print(f"not run here: {CHAOS} (make chaos)", flush=True)
    with tempfile.TemporaryFile("w+") as log:
        stacks = subprocess.Popen(STACKS, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            failed = [command for command in PARTS if subprocess.run(command, cwd=ROOT, check=False).returncode]
            if stacks.wait():
                failed.append(STACKS)
        finally:
            if stacks.poll() is None:
                stacks.terminate()
                stacks.wait()
            log.seek(0)
            sys.stdout.write(log.read())
    for command in failed:
        print(f"failed: {' '.join(command)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
