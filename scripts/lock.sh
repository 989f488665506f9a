#!/bin/sh
# Compiles every lock in requirements/ from its .in file and pyproject.toml. Needs uv (`pip install uv`).
set -eu
cd "$(dirname "$0")/.."
lock() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"
}
lock requirements/build.in -o requirements/build.txt
lock pyproject.toml --extra airflow --extra postgres -c requirements/build.txt -o requirements/airflow.txt
lock pyproject.toml requirements/notebook.in --extra runner --extra spark --extra databricks -c requirements/build.txt -o requirements/notebook.txt
lock requirements/dev.in -o requirements/dev.txt
lock requirements/lab.in -o requirements/lab.txt
lock requirements/deploy.in -o requirements/deploy.txt
lock requirements/notebook-dev.in -o requirements/notebook-dev.txt
lock pyproject.toml requirements/bench.in --extra runner -c requirements/build.txt -o requirements/bench.txt
if grep -nE '^--|https?://' requirements/*.txt; then
  echo "lock.sh: an index address or option got into a lock (above)" >&2
  exit 1
fi
