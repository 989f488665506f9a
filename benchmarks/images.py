"""Fifty cells that show an image of 1 MB each: the bytes written on the way, beside the size of the final notebook."""

import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from measure import CHECKOUT, in_turns, keep, rounds_wanted
from peers import DAYBOOK, JUPYTER, PAPERMILL, PLOOMBER, Figures, Peers, a_notebook, failures, make_environment
from processes import Cost

from daybook.storage import open_store

sys.path.insert(0, str(CHECKOUT / "tests" / "runner"))
from faults import FaultProxy
from moto import s3_server

CELLS = 50
IMAGE_BYTES = 1_000_000
ROUNDS = 1
"""How many bytes are written hardly depends on the machine."""
FIRST = f"""\
import os
from IPython.display import Image

def image(size={IMAGE_BYTES}):
    return Image(data=b"\\x89PNG\\r\\n\\x1a\\n" + os.urandom(size - 8), format="png")
"""
LIMITS = {"output_bytes": 200_000_000, "cell_output_bytes": 10_000_000}
"""With its usual limits Daybook would leave what is beyond 50 MB out of the notebook."""
BUCKET = "runs"
TO_A_BUCKET = f"{DAYBOOK}, to a bucket"
TARGET = "Target: a bucket takes at most x3.00 of the final notebook, page and progress included; papermill writes x52."


@dataclass(frozen=True)
class Written:
    """What one command wrote: to files, or to the bucket.

    Attributes:
        cost: of the command.
        written: bytes.
        final: bytes of the notebook it left.
    """

    cost: Cost
    written: int
    final: int

    @property
    def failure(self) -> str | None:
        """As of the command."""
        return self.cost.failure

    @property
    def ratio(self) -> float:
        """Bytes written for each byte of the final notebook."""
        return self.written / self.final


def to_files(cost: Cost, folder: Path, name: str) -> Written:
    """What a command and its kernel wrote to files; the notebook it left is taken away."""
    path = max(folder.rglob(name), key=lambda found: found.stat().st_mtime)
    size = path.stat().st_size
    path.unlink()
    return Written(cost, cost.written_bytes, size)


def to_a_bucket(peers: Peers, s3: Mapping[str, str], kinds: Counter[str]) -> Written:
    """What a run put into a bucket, counted by a proxy before it."""
    with FaultProxy(s3["AWS_ENDPOINT_URL"]) as proxy:
        variables = {**s3, "AWS_ENDPOINT_URL": proxy.url}
        del variables["PATH"]
        url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
        cost = peers.daybook_as_a_pod(url, variables, LIMITS)
        kinds.clear()
        for key, size in proxy.puts:
            kinds["journal" if key.endswith(".jsonl") else key.rpartition("/")[2]] += size
        record = open_store(url, s3)
        final = next(each.size for each in record.objects() if each.key.endswith("notebook.ipynb"))
        return Written(cost, kinds.total(), final)


def main(rounds: int = ROUNDS) -> None:
    """Measures, prints, keeps."""
    make_environment()
    kinds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, s3_server(BUCKET) as s3:
        folder = Path(name)
        # Each cell takes a moment, as cells do that draw: else all would be over before the first save.
        cells = [FIRST, *["import time; time.sleep(0.2)\nimage()"] * CELLS]
        peers = Peers(a_notebook(folder / "images.ipynb", cells), folder)
        found = in_turns(
            {
                JUPYTER: lambda: to_files(peers.jupyter(), folder, "jupyter.ipynb"),
                PAPERMILL: lambda: to_files(peers.papermill(), folder, "papermill.ipynb"),
                PLOOMBER: lambda: to_files(peers.ploomber(), folder, "ploomber.ipynb"),
                f"{DAYBOOK}, all files": lambda: to_files(
                    peers.daybook_as_a_pod(limits=LIMITS), folder, "notebook.ipynb"
                ),
                TO_A_BUCKET: lambda: to_a_bucket(peers, s3, kinds),
            },
            rounds,
        )
    ratio = Figures.of(found, lambda each: each.ratio, "B/B")
    seconds = Figures.of(found, lambda each: each.cost.seconds)
    peak = Figures.of(found, lambda each: each.cost.peak_mb, "MB")
    ratio.show(f"{CELLS} images of 1 MB: bytes written for each byte of the final notebook")
    final = found[TO_A_BUCKET][-1].final
    for kind, size in kinds.most_common():
        print(f"    {TO_A_BUCKET}: {kind} x{size / final:.3f}")
    print(f"  {TARGET}")
    seconds.show("On the clock")
    peak.show("The runner's own memory at its peak")
    keep(
        "images",
        {
            "target": TARGET,
            "failures": failures(found),
            "written_to_final": ratio.to_json(),
            "bucket_by_kind": {kind: size / final for kind, size in kinds.items()},
            "seconds": seconds.to_json(),
            "peak_mb": peak.to_json(),
        },
    )


if __name__ == "__main__":
    main(rounds_wanted(ROUNDS))
