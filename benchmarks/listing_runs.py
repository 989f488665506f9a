"""How long it takes to decide about 100,000 runs: our part of a sweep, without the network.

    .venv/bin/python benchmarks/listing_runs.py [runs]

A bucket in memory answers at once, so what is measured is the listing's way through obstore and our own code; on S3 add
the time of its requests, one for 1,000 objects.
"""

import resource
import sys
import time
from datetime import UTC, datetime, timedelta

from daybook.contract import keys
from daybook.retention.deciding import beyond
from daybook.retention.listing import run_infos
from daybook.storage import open_store
from daybook.workspaces import Retention

FILES = ("manifest.json", "notebook.ipynb", "notebook.html", "log.txt", "source.ipynb", "outputs/a", "outputs/b")


def main(runs: int) -> None:
    """Fills a bucket, lists it, decides."""
    now, bucket = datetime.now(UTC), open_store("memory:///")
    for number in range(runs):
        prefix = keys.run_prefix(keys.run_id("nb", now - timedelta(seconds=26 * number), str(number)))
        for name in FILES:
            bucket.write(f"{prefix}/{name}", b"x")
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    found = run_infos(bucket)
    listed = time.process_time()
    going = beyond(found, Retention(days=20, runs=80_000, size="1Gi"), now)
    decided = time.process_time()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{len(found)} runs, {runs * len(FILES)} objects: listed in {listed - began:.1f} CPU s,", end=" ")
    print(f"decided in {decided - listed:.2f} CPU s ({len(going)} go), {grown:.0f} MB more of memory")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
