"""How long it takes to upload 1 GB to an S3 server on this machine, and how much memory, beside boto3.

Against a server that keeps nothing, so that the clients are what is measured; once more against moto's server, where
the server's own time is most of it. Each upload is a process of its own; its time begins after its imports.
"""

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.request import Request, urlopen

from measure import CHECKOUT, in_turns, keep, medians, ratios, seconds, table

from daybook.storage import Store, open_store
from daybook.storage.store import parts_for

BYTES = 1024**3
FILES_AT_ONCE = 4
"""As many as the runner uploads at once."""
ROUNDS = 7
MOTO_ROUNDS = 3
BUCKET = "bench"
PYTHON = CHECKOUT / ".venv" / "bin" / "python"
PEER = "boto3, as it comes"
RUNNER = "Store.upload, with the digest: the runner"
_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}


def by_store(file: Path, endpoint: str) -> Callable[[], object]:
    """Daybook's store: parts with SHA-256, then a look at the object's size."""
    return partial(_store(endpoint).write, file.name, file, None, parts_for(1))


def as_the_runner(file: Path, endpoint: str) -> Callable[[], object]:
    """The same with the file's digest for the manifest."""
    return partial(_store(endpoint).upload, file.name, file, None, parts_for(1))


def digest_first(file: Path, endpoint: str) -> Callable[[], object]:
    """The same with the digest before the upload."""
    then = by_store(file, endpoint)

    def work() -> None:
        with file.open("rb") as opened:
            hashlib.file_digest(opened, "sha256")
        then()

    return work


def four_at_once(file: Path, endpoint: str) -> Callable[[], object]:
    """Four files of a quarter each at once, as the runner has it; here for the memory."""
    store = _store(endpoint)
    quarters = sorted(file.parent.glob("quarter*"))

    def work() -> None:
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            list(pool.map(lambda each: store.upload(each.name, each, None, parts_for(FILES_AT_ONCE)), quarters))

    return work


def _store(endpoint: str) -> Store:
    return open_store(f"s3://{BUCKET}/store", {**_ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint})


def by_boto3(file: Path, endpoint: str, **extra: str) -> Callable[[], object]:
    """boto3's transfer manager with its own settings."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        region_name=_ENVIRONMENT["AWS_REGION"],
    )
    return partial(client.upload_file, str(file), BUCKET, f"boto3/{file.name}", ExtraArgs=extra)


CANDIDATES: dict[str, Callable[[Path, str], Callable[[], object]]] = {
    PEER: by_boto3,
    "boto3, with SHA-256": partial(by_boto3, ChecksumAlgorithm="SHA256"),
    "Store.write": by_store,
    RUNNER: as_the_runner,
    "digest, then Store.write": digest_first,
    "Store.upload, 4 files of 256 MB at once": four_at_once,
}


def upload(name: str, file: Path, endpoint: str) -> None:
    """What the process of one upload does: prints its seconds and its memory in MB, before and at most."""
    work = CANDIDATES[name](file, endpoint)
    before = _peak_megabytes()
    took = seconds(work)
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps({"seconds": took, "before": before, "peak": _peak_megabytes(), "cpu": cpu.ru_utime + cpu.ru_stime})
    )


def _peak_megabytes() -> float:
    """The kernel's own note: what `getrusage` tells begins with what the parent process had."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def measured(name: str, file: Path, endpoint: str) -> dict[str, float]:
    """One upload in a process of its own."""
    command = [str(PYTHON), __file__, "upload", name, str(file), endpoint]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def server(command: list[str], stream: str) -> Iterator[str]:
    """A server's address, once it has told it on that stream."""
    to = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: subprocess.PIPE}
    with subprocess.Popen(command, stdout=to["stdout"], stderr=to["stderr"]) as process:
        try:
            lines = getattr(process, stream)
            url = next(found.group().decode() for line in lines if (found := re.search(rb"http://[\d.]+:\d+", line)))
            # A server that writes a line a request stands still once nobody reads them.
            threading.Thread(target=deque, args=(lines, 0), daemon=True).start()
            yield url
        finally:
            process.terminate()


def compared(title: str, names: list[str], rounds: int, file: Path, endpoint: str) -> dict[str, object]:
    """Measures the candidates in turns, and prints their times and memory."""
    urlopen(Request(f"{endpoint}/{BUCKET}", method="PUT", data=b"")).close()
    found = in_turns({name: partial(measured, name, file, endpoint) for name in names}, rounds)
    times = {name: [each["seconds"] for each in values] for name, values in found.items()}
    cpu = {name: [each["cpu"] for each in values] for name, values in found.items()}
    peaks = {name: max(each["peak"] for each in values) for name, values in found.items()}
    above = {name: max(each["peak"] - each["before"] for each in values) for name, values in found.items()}
    against = ratios(times, PEER)
    table(f"{title}: time", "s", medians(times), PEER, against)
    table(f"{title}: CPU time of the process, which noise harms less", "s", medians(cpu), PEER, ratios(cpu, PEER))
    table(f"{title}: peak memory of the process", "MB", peaks, PEER)
    table(f"{title}: of that, above what it had before the upload", "MB", above, PEER)
    return {
        "seconds": times,
        "ratios": against,
        "cpu_seconds": cpu,
        "cpu_ratios": ratios(cpu, PEER),
        "peak_megabytes": peaks,
        "upload_megabytes": above,
    }


def make_files(folder: Path) -> Path:
    """A file of random bytes, and its quarters."""
    whole = folder / "whole.bin"
    megabyte = os.urandom(1024 * 1024)
    with whole.open("wb") as file:
        for number in range(FILES_AT_ONCE):
            with (folder / f"quarter{number}").open("wb") as quarter:
                for _ in range(BYTES // FILES_AT_ONCE // len(megabyte)):
                    quarter.write(megabyte)
                    file.write(megabyte)
    return whole


def main() -> None:
    """Measures, prints, keeps."""
    moto = [str(PYTHON.parent / "moto_server"), "-H", "127.0.0.1", "-p", "0"]
    with tempfile.TemporaryDirectory() as folder:
        file = make_files(Path(folder))
        with server([str(PYTHON), str(Path(__file__).with_name("s3_sink.py"))], "stdout") as endpoint:
            sink = compared("1 GB to a server that keeps nothing", list(CANDIDATES), ROUNDS, file, endpoint)
        with server(moto, "stderr") as endpoint:
            names = [PEER, RUNNER]
            real = compared("1 GB to moto's server", names, MOTO_ROUNDS, file, endpoint)
    keep("upload", {"bytes": BYTES, "peer": PEER, "sink": sink, "moto": real})


if __name__ == "__main__":
    if sys.argv[1:2] == ["upload"]:
        upload(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        main()
