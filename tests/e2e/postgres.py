"""A PostgreSQL server of the distribution's package, for Airflow's records: on loopback, with nothing left behind."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from driving import free_ports

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
NAME = "airflow"


@dataclass(frozen=True)
class Postgres:
    """A running server.

    Attributes:
        programs: where psql and the others lie.
        port: on loopback.
        password: of the one user.
    """

    programs: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Of an empty database, as SQLAlchemy takes it."""
        return f"postgresql+psycopg2://{NAME}:{self.password}@127.0.0.1:{self.port}/{NAME}"

    def ask(self, query: str) -> str:
        """The answer to a query, as text."""
        command = [str(self.programs / "psql"), "-At", "-h", "127.0.0.1", "-p", str(self.port), "-U", NAME, "-c", query]
        environment = {"PGPASSWORD": self.password, "PATH": os.environ["PATH"]}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Makes and starts a server, as somebody who is not root, and ends it."""
    if not FOLDERS:
        pytest.skip("the Debian package postgresql is not installed")
    folder = Path(tempfile.mkdtemp(prefix="daybook-postgres-"))
    server = Postgres(FOLDERS[-1], free_ports(1)[0], secrets.token_urlsafe(12))
    try:
        (folder / "password").write_text(server.password)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
            shutil.chown(folder / "password", "postgres", "postgres")
        data = ["-D", str(folder / "data")]
        _run(folder, server, "initdb", *data, "-U", NAME, "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(server.port),
            "unix_socket_directories": str(folder),
            "fsync": "off",
        }
        given = " ".join(f"-c {name}={value}" for name, value in options.items())
        _run(folder, server, "pg_ctl", *data, "-w", "-l", str(folder / "log"), "-o", given, "start")
        try:
            _run(folder, server, "createdb", "-h", "127.0.0.1", "-p", str(server.port), "-U", NAME, NAME)
            yield server
        finally:
            _run(folder, server, "pg_ctl", *data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _run(folder: Path, server: Postgres, program: str, *arguments: str) -> None:
    somebody = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with (folder / "output").open("a") as output:
        done = subprocess.run(
            [str(server.programs / program), *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGPASSWORD": server.password},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            **somebody,
        )
    assert done.returncode == 0, f"{program}: {(folder / 'output').read_text()}"
