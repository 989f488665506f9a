"""Runs every benchmark, one after the other."""

import dag_parse
import databricks_sync
import demo
import execute
import images
import latency
import lines
import many_cells
import many_runs
import pages
import pod_build
import upload
import validate
import viewers

if __name__ == "__main__":
    for each in (
        execute,
        many_cells,
        images,
        lines,
        upload,
        dag_parse,
        databricks_sync,
        pod_build,
        validate,
        pages,
        latency,
        many_runs,
        viewers,
        demo,
    ):
        each.main()
