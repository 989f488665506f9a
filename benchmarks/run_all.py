"""Runs every benchmark, one after the other."""

import dag_parse
import demo
import execute
import latency

if __name__ == "__main__":
    for each in (execute, dag_parse, latency, demo):
        each.main()
