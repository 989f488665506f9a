#!/bin/sh
# The main job: the stack, then a parameterised Spark notebook through Airflow as a pod, followed to its end.
set -eu
cd "$(dirname "$0")/.."
.venv/bin/daybook up
.venv/bin/daybook run flights_delays -p origin=JFK -p minimum_delay=15 --follow
echo
echo "The stack is still up: '.venv/bin/daybook status' shows it, '.venv/bin/daybook down' ends it."
