#!/bin/sh
# Builds the images: `deploy/images/build.sh [notebook|airflow|spark]`. With BuildKit and without.
#   NOTEBOOK_BASE, AIRFLOW_BASE, SPARK_BASE   base images; pin them by digest
#   TAG                                       default: the version in pyproject.toml
#   BUILD_ARGS                                further arguments of `docker build`, such as --network=host
# What only this machine needs to reach a package index goes into deploy/images/pip/ (pip.conf, Maven's settings.xml,
# certificates). Jars for Spark go into deploy/images/spark/jars/, or are named: BUILD_ARGS='--build-arg JARS=s3a'.
set -eu
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
tag=${TAG:-$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
build() {
  name=$1 base=$2
  # shellcheck disable=SC2086  # BUILD_ARGS are several words
  docker build ${BUILD_ARGS:-} ${base:+--build-arg "BASE=$base"} --build-arg "VERSION=$version" \
    --build-arg "REVISION=$revision" -t "daybook/$name:$tag" -f "deploy/images/$name/Dockerfile" .
}
case ${1:-all} in
  notebook) build notebook "${NOTEBOOK_BASE:-}" ;;
  airflow) build airflow "${AIRFLOW_BASE:-}" ;;
  spark) build spark "${SPARK_BASE:-}" ;;
  all) build notebook "${NOTEBOOK_BASE:-}" && build airflow "${AIRFLOW_BASE:-}" && build spark "${SPARK_BASE:-}" ;;
  *) echo "build.sh: no image $1; there are notebook, airflow and spark" >&2; exit 2 ;;
esac
