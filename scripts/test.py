"""Every check and every test, each room in the environment it runs in.

The tests run in three lanes side by side: those that drive stacks, kernels and servers wait much of their time, and the
others fill it. What is said beside the first lane is shown when that is through, so that each can be read.
"""

import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK_SIDE = ["tests/runner", "tests/notebook", "tests/spark", "tests/databricks", "tests/examples"]
WHOLE_STACKS = "tests/e2e"
AIRFLOW_SIDE = [".venv/bin/pytest", "tests", *(f"--ignore={each}" for each in (WHOLE_STACKS, *NOTEBOOK_SIDE))]
BESIDE = [
    [".venv-notebook/bin/pytest", *NOTEBOOK_SIDE],
    [".venv/bin/pytest", WHOLE_STACKS],
]


@contextmanager
def running(command):
    """Runs a command beside others; gives its process. Then waits for it, and shows what it said."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield process
            process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
            said.seek(0)
            sys.stdout.write(said.read())
            sys.stdout.flush()


def main():
    """Runs all, and fails where one has failed."""
    subprocess.run(["sh", "scripts/check.sh"], cwd=ROOT, check=True)
    with ExitStack() as lanes:
        beside = [lanes.enter_context(running(command)) for command in reversed(BESIDE)]
        first = subprocess.run(AIRFLOW_SIDE, cwd=ROOT, check=False)
    failed = [each.args for each in (first, *reversed(beside)) if each.returncode]
    for command in failed:
        print(f"failed: {' '.join(command)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
