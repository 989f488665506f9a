#!/bin/sh
# Runs the notebook image as a pod would, and says what came out: `deploy/images/try.sh [IMAGE]`. By hand: it needs Docker.
set -eu
image=${1:-daybook/notebook:0.1.0}
folder=$(mktemp -d)
trap 'docker rm --force daybook-try >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
chmod 755 "$folder"
mkdir "$folder/notebooks" "$folder/record"
chown 1000:1000 "$folder/record"

notebook() { # NAME CODE: one cell of code, JSON-escaped by the caller
  cat >"$folder/notebooks/$1.ipynb" <<EOF
{"nbformat": 4, "nbformat_minor": 5, "metadata": {},
 "cells": [{"cell_type": "code", "id": "a", "metadata": {}, "execution_count": null, "outputs": [], "source": "$2"}]}
EOF
}
notebook fine 'import daybook.notebook, matplotlib.pyplot as plt, pandas, pyarrow, rasterio\nfrom pyspark.sql.connect.session import SparkSession\nplt.plot([1, 2]); plt.show()\nprint(pandas.__version__, rasterio.__version__)'
notebook failing '1 / 0'
notebook patient 'import time\nprint(\"began\", flush=True)\ntime.sleep(600)'
notebook local_spark 'from daybook.notebook import get_spark_session\nget_spark_session(local=True)'

pod() { # NAME DOCKER-OPTIONS…: as the pod's security context and volumes have it
  name=$1; shift
  docker run --name daybook-try --network=none --read-only --user 1000:1000 --cap-drop ALL \
    --security-opt no-new-privileges --memory 2g --pids-limit 512 \
    --tmpfs /tmp:mode=1777 --tmpfs /home/daybook:uid=1000,gid=1000 --tmpfs /home/daybook/work:uid=1000,gid=1000 \
    --volume "$folder/notebooks:/notebooks:ro" --volume "$folder/record:/record" \
    --env "DAYBOOK_REQUEST={\"run_id\": \"$name\", \"notebook\": {\"id\": \"$name\", \"source\": \"/notebooks/$name.ipynb\"}, \"output\": \"file:///record/$name\"}" \
    "$@" "$image" execute
}
failures=0
expect() { # WHAT WANTED GOT
  if [ "$2" = "$3" ]; then echo "ok: $1: $3"; else echo "FAILED: $1: wanted $2, got $3"; failures=1; fi
}
state() { sed -n 's/^ *"state": *"\([a-z]*\)".*/\1/p; s/.*[{,]"state":"\([a-z]*\)".*/\1/p' "$folder/record/$1/manifest.json" | head -n 1; }
run() { # NAME CODE STATE
  code=0; pod "$1" >"$folder/log" 2>&1 || code=$?
  expect "exit code of $1" "$2" "$code"
  [ -z "$3" ] || expect "state of $1" "$3" "$(state "$1")"
  [ "$code" = "$2" ] || cat "$folder/log"
  docker rm daybook-try >/dev/null
}
run fine 0 succeeded
run failing 1 failed
run local_spark 1 failed
code=0; pod fine --env DAYBOOK_REQUEST='{"no": "request"}' >"$folder/log" 2>&1 || code=$?
expect "exit code of an invalid request" 2 "$code"
docker rm daybook-try >/dev/null

pod patient --detach >/dev/null
until docker logs daybook-try 2>&1 | grep -q began || [ -z "$(docker ps -q --filter name=daybook-try)" ]; do sleep 1; done
docker stop --time 60 daybook-try >/dev/null
expect "exit code after SIGTERM" 143 "$(docker inspect --format '{{.State.ExitCode}}' daybook-try)"
expect "state after SIGTERM" interrupted "$(state patient)"
docker rm daybook-try >/dev/null

expect "user" 1000:1000 "$(docker inspect --format '{{.Config.User}}' "$image")"
echo "JupyterLab $(docker run --rm --name daybook-try --network=none --read-only --tmpfs /tmp --entrypoint jupyter "$image" lab --version)"
# A gigabyte and a half, of the layers together.
size=$(docker image inspect --format '{{.Size}}' "$image")
expect "under 1.5 GB ($size bytes)" yes "$([ "$size" -lt 1500000000 ] && echo yes || echo no)"
for tool in pip gcc git java; do
  expect "no $tool" no "$(docker run --rm --network=none --entrypoint sh "$image" -c "command -v $tool >/dev/null && echo yes || echo no")"
done
exit "$failures"
