#!/usr/bin/env python3
"""Makes `.venv` (Airflow's side) and `.venv-notebook` (the notebooks' side) from the hashed locks in requirements/.

`--dev` puts the tests' and checks' tools on top; `--bench` makes `.venv-bench`, with the peers that benchmarks need.
Uses uv when it is on the PATH, else `python -m venv` and pip. Does nothing when both stand as the locks say. Written
so that an old Python can still read it and be told what is wrong.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

OLDEST, NEWEST = (3, 11), (3, 13)
PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Environment, its locks, the tools' locks on top of them.
ENVIRONMENTS = [
    (".venv", ["airflow"], ["dev"]),
    (".venv-notebook", ["notebook"], ["notebook-dev"]),
]
BENCH_ENVIRONMENTS = [(".venv-bench", ["bench"], [])]
STAMP = "daybook-lock"


def main():
    """Sets the environments up, side by side."""
    check_python()
    dev = "--dev" in sys.argv[1:]
    environments = BENCH_ENVIRONMENTS if "--bench" in sys.argv[1:] else ENVIRONMENTS
    uv = shutil.which("uv")
    wanted = []
    for folder, locks, dev_locks in environments:
        stamp = stamp_of(locks, dev_locks if dev else [])
        have = read(os.path.join(PROJECT, folder, STAMP)).splitlines()
        if stamp not in have:
            wanted.append((folder, locks + (dev_locks if dev else []), locks, stamp))
    if not wanted:
        return
    began = time.time()
    say("installing %s with %s" % (" and ".join(w[0] for w in wanted), "uv" if uv else "pip"))
    failed = install(wanted, uv)
    if failed and uv:
        # uv looks for indexes and certificates in other places than pip does; what it cannot reach, pip may.
        say("uv could not (see %s); installing with pip" % log_of(failed[0]))
        failed = install([each for each in wanted if each[0] in failed], None)
    if failed:
        for folder in failed:
            sys.stderr.write(tail(log_of(folder)))
        fail("could not install %s; the whole output is in %s" % (", ".join(failed), ", ".join(map(log_of, failed))))
    for folder, locks, base, stamp in wanted:
        stamps = [stamp] if locks == base else [stamp, stamp_of(base, [])]
        with open(os.path.join(PROJECT, folder, STAMP), "w") as file:
            file.write("\n".join(stamps) + "\n")
    say("installed in %.0f s" % (time.time() - began))


def install(wanted, uv):
    """Installs environments side by side; gives the folders of those that could not be."""
    running = [(each[0], start(each[0], each[1], uv)) for each in wanted]
    return [folder for folder, process in running if process.wait() != 0]


def check_python():
    """Refuses a Python that the locks were not compiled for."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        here = "%d.%d (%s)" % (sys.version_info[0], sys.version_info[1], sys.executable)
        names = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
        found = [name for name in names if shutil.which(name)] if hasattr(shutil, "which") else []
        way = "make demo PYTHON=%s" % found[0] if found else "install Python 3.12 and run: make demo PYTHON=python3.12"
        fail("needs Python 3.11 to 3.13, and this is %s. Try: %s" % (here, way))


def stamp_of(locks, dev_locks):
    """What an environment depends on: the interpreter and the content of its locks."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ["build"] + locks + dev_locks:
        digest.update(read(lock_path(name)).encode())
    digest.update(read(os.path.join(PROJECT, "pyproject.toml")).encode())
    return digest.hexdigest()


def start(folder, locks, uv):
    """Starts the installation of one environment; its output goes to a log."""
    log = open(log_of(folder), "a")
    steps = (uv_steps if uv else pip_steps)(os.path.join(PROJECT, folder), locks, uv)
    # One child runs the steps one after the other; arguments travel as arguments, never through a shell.
    code = "import subprocess, sys, json\nfor step in json.loads(sys.argv[1]): subprocess.check_call(step)"
    import json

    # The machine's certificates, as pip uses them; older versions of uv know the second name.
    environment = dict(os.environ, UV_SYSTEM_CERTS="true", UV_NATIVE_TLS="true")
    command = [sys.executable, "-c", code, json.dumps(steps)]
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=PROJECT, env=environment)


def uv_steps(environment, locks, uv):
    """What builds packages first, hashed like everything else; then the rest without build isolation."""
    install = [uv, "pip", "install", "--quiet", "--python", environment]
    steps = [[uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, environment]]
    steps.append(install + ["--require-hashes", "-r", lock_path("build")])
    steps.append(install + ["--no-build-isolation", "--require-hashes"] + as_arguments(locks))
    steps.append(install + ["--no-build-isolation", "--no-deps", "-e", PROJECT])
    return steps


def pip_steps(environment, locks, _):
    """The same with what Python brings along."""
    python = os.path.join(environment, "bin", "python")
    # Python compiles what is imported when it is; compiling all 350 packages here would take longer than the rest.
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
        "--no-deps",
    ]
    steps = [[sys.executable, "-m", "venv", "--clear", environment]]
    steps.append(install + ["--require-hashes", "-r", lock_path("build")])
    steps.append(install + ["--no-build-isolation", "--require-hashes"] + as_arguments(locks))
    steps.append(install + ["--no-build-isolation", "--no-deps", "-e", PROJECT])
    return steps


def as_arguments(locks):
    """`-r` for each lock."""
    return [part for name in locks for part in ("-r", lock_path(name))]


def lock_path(name):
    """The file of a lock."""
    return os.path.join(PROJECT, "requirements", name + ".txt")


def log_of(folder):
    """Where the output of an environment's installation goes."""
    logs = os.path.join(PROJECT, ".daybook", "logs")
    if not os.path.isdir(logs):
        os.makedirs(logs, 0o700)
    return os.path.join(logs, "setup%s.log" % folder)


def read(path):
    """The text of a file; empty where there is none."""
    if not os.path.isfile(path):
        return ""
    with open(path) as file:
        return file.read()


def tail(path):
    """The end of a log, for the one who reads the error."""
    return "".join(line + "\n" for line in read(path).splitlines()[-20:])


def say(message):
    """One line of progress."""
    sys.stdout.write("daybook: %s\n" % message)
    sys.stdout.flush()


def fail(message):
    """One clear line, and exit code 2."""
    sys.stderr.write("daybook: %s\n" % message)
    sys.exit(2)


if __name__ == "__main__":
    main()
