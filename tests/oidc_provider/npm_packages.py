"""What the tests use of npm's, installed as package-lock.json says: the OpenID provider, axe-core, and a Node for them.

Node 20 or later is wanted. Where the machine's is older, as Debian 12's, npm brings one for the tests alone.
"""

import fcntl
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
OLDEST_NODE = 20


@dataclass(frozen=True)
class Packages:
    """What is installed.

    Attributes:
        node: the program that runs them.
        folder: of the packages, by name.
    """

    node: str
    folder: Path


def installed(folder: Path = FOLDER) -> Packages:
    """The packages, installed when they are not yet, or are not what the lock says.

    Raises:
        RuntimeError: they cannot be; the text says what to do.
    """
    own = shutil.which("node")
    if shutil.which("npm") is None:
        raise RuntimeError("these tests need npm and its node: apt-get install nodejs npm")
    if own is not None and is_fitting(own):
        _install(folder, ["--omit=optional"])  # the optional ones are Node itself
        return Packages(own, folder / "node_modules")
    _install(folder, [])
    brought = next(folder.glob("node_modules/node-linux-*/bin/node"), None)
    if brought is None or not is_fitting(str(brought)):
        raise RuntimeError(f"these tests need Node {OLDEST_NODE} or later; npm has none for this machine: install it")
    return Packages(str(brought), folder / "node_modules")


def is_fitting(node: str) -> bool:
    """Whether a Node is new enough."""
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.match(r"v(\d+)\.", told)
    return number is not None and int(number[1]) >= OLDEST_NODE


def _install(folder: Path, options: list[str]) -> None:
    wanted = " ".join(options) + (folder / "package-lock.json").read_text()
    stamp = folder / "node_modules" / "installed-by"
    with Path(tempfile.gettempdir(), f"daybook-npm-{folder.stat().st_ino}.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"npm could not install what the tests use of it:\n{done.stderr[-2000:]}")
        stamp.write_text(wanted)
