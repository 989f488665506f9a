"""Runs every benchmark, one after the other."""

import dag_parse
import demo
import execute
import images
import latency
import lines
import many_cells
import many_runs
import pod_build
import upload
import validate

if __name__ == "__main__":
    for each in (execute, many_cells, images, lines, upload, dag_parse, pod_build, validate, latency, many_runs, demo):
        each.main()
