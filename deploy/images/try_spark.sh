#!/bin/sh
# Tries a Spark image as a pod runs it: read-only root, no rights, user 1000. A server with a key that answers a query, its
# memory, an executor that says what it lacks.
#   deploy/images/try_spark.sh [IMAGE]     needs Docker
set -eu
image=${1:-daybook/spark:0.1.0}
folder=$(mktemp -d)
trap 'docker rm --force daybook-try-spark >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
chmod 755 "$folder"
printf 'a-pre-shared-key-of-the-try' >"$folder/token"
chmod 644 "$folder/token"

pod() { # DOCKER-OPTIONS… IMAGE ARGUMENTS…
  docker run --read-only --user 1000:1000 --cap-drop ALL --security-opt no-new-privileges --memory 3g --pids-limit 1024 \
    --tmpfs /tmp:mode=1777 --tmpfs /home/daybook:uid=1000,gid=1000 --tmpfs /home/daybook/work:uid=1000,gid=1000,exec \
    --volume "$folder/token:/token:ro" "$@"
}
failures=0
expect() { # WHAT WANTED GOT
  if [ "$2" = "$3" ]; then echo "ok: $1: $3"; else echo "FAILED: $1: wanted $2, got $3"; failures=1; fi
}

began=$(date +%s)
pod --name daybook-try-spark --network=none --detach "$image" \
  serve --port 15002 --token-file /token --state /home/daybook/work/spark >/dev/null
inside() { docker exec daybook-try-spark python -m daybook.spark check --remote sc://127.0.0.1:15002 "$@"; }
code=0; inside --token-file /token --timeout 120 || code=$?
expect "a server answers a query" 0 "$code"
echo "after $(($(date +%s) - began)) s; memory: $(docker stats --no-stream --format '{{.MemUsage}}' daybook-try-spark)"
code=0; inside --timeout 20 >/dev/null 2>&1 || code=$?
expect "without its key it answers nobody" 3 "$code"
docker stop --time 60 daybook-try-spark >/dev/null
[ "$failures" = 0 ] || docker logs daybook-try-spark

code=0; pod --rm --network=none "$image" executor >"$folder/log" 2>&1 || code=$?
expect "an executor that Spark has not started" 2 "$code"
grep -q SPARK_DRIVER_URL "$folder/log" || { cat "$folder/log"; failures=1; }

run() { docker run --rm --network=none --entrypoint "$1" "$image" "$2" "$3"; }
expect "user" 1000:1000 "$(docker inspect --format '{{.Config.User}}' "$image")"
for tool in pip gcc git mvn; do
  expect "no $tool" no "$(run sh -c "command -v $tool >/dev/null && echo yes || echo no")"
done
expect "no file that anybody may write to" 0 "$(run sh -c 'find /opt/daybook -perm /022 ! -type l | wc -l')"
echo "S3A: $(run sh -c 'ls /opt/daybook/lib/python3*/site-packages/pyspark/jars | grep -c "^hadoop-aws-" || true') jar"
echo "size: $(docker image inspect --format '{{.Size}}' "$image") bytes"
exit "$failures"
