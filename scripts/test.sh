#!/bin/sh
# Every check and every test, each room in the environment it runs in. Ends with the counts of the last pytest.
set -eu
cd "$(dirname "$0")/.."
sh scripts/check.sh
.venv-notebook/bin/pytest tests/runner tests/notebook tests/spark tests/examples
.venv/bin/pytest tests --ignore=tests/runner --ignore=tests/notebook --ignore=tests/spark --ignore=tests/examples
