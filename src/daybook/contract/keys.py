"""Every name that goes outside Daybook is minted here and nowhere else.

Names are pure functions of what they name. Where a readable part had to be shortened or changed, a digest of the
whole original keeps two different originals from meeting in one name.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime

RUN_ID_PATTERN = r"^[0-9]{8}T[0-9]{6}Z-[a-z0-9-]{1,32}-[0-9a-f]{10}$"
"""A run id: when the run was asked for (UTC), its notebook for the reader, a digest that makes it unique."""

POD_NAME_LENGTH = 63
"""Pods are named as DNS labels, since the name also serves as the pod's host name."""

LABEL_VALUE_LENGTH = 63
_SLUG_LENGTH = 32
_PARTS_OF_A_RUNS_KEY = 6  # runs, year, month, day, run id, and what lies in it
_ORDER_DIGEST_LENGTH = 40  # 160 bits: nobody makes two orders that meet
_DIGEST_LENGTH = 10  # 40 bits: a chance of one in 10^6 of one collision among 1500 runs of the same second

LABEL_PREFIX = "daybook.dev"
RUN_LABEL = f"{LABEL_PREFIX}/run"
ATTEMPT_LABEL = f"{LABEL_PREFIX}/attempt"
NOTEBOOK_LABEL = f"{LABEL_PREFIX}/notebook"
WORKSPACE_LABEL = f"{LABEL_PREFIX}/workspace"
USER_LABEL = f"{LABEL_PREFIX}/user"
SPARK_LABEL = f"{LABEL_PREFIX}/spark-server"
"""On all that belongs to a Spark server: the server's name. Its pods have no `RUN_LABEL`: they are no attempts."""
SPARK_PROFILE_LABEL = f"{LABEL_PREFIX}/spark-profile"
SPARK_SECRET_ANNOTATION = f"{LABEL_PREFIX}/spark-secret"
"""On a Spark server's pod: the Secret with its key."""
SPARK_OWN_ANNOTATION = f"{LABEL_PREFIX}/spark-own"
"""On a run's pod: name and UID of the pod of its own Spark server, for a task that comes back to it."""
SPARK_CREDENTIALS_ANNOTATION = f"{LABEL_PREFIX}/spark-credentials"
"""On a run's pod: session and Secret of its Spark server's credentials, which whoever waits for the run renews."""
SPARK_OWNER_LABEL = f"{LABEL_PREFIX}/spark-run"
"""On a server of one run's own: the run."""

MANIFEST = "manifest.json"
NOTEBOOK_FILE = "notebook.ipynb"
HTML_FILE = "notebook.html"
LOG_FILE = "log.txt"
SOURCE_FILE = "source.ipynb"
OUTPUTS = "outputs"
SIDE_FILES = "side"
PREVIEWS = "previews"
JOURNAL = "journal"
PIN = "pin.json"
"""Beside the manifest of a run that retention must leave alone."""
REMOVAL = "removal.json"
"""Beside the manifest of a run whose removal has begun: by it the next sweep finds what an interrupted one left."""
ATTEMPTS = "attempts"
RUNS = "runs"
SPARK_STATES = "spark/servers"
"""What a workspace's Spark servers say of themselves."""
SPARK_SENT = "spark/sent"
"""By when a run was last sent to a server."""

CLEAN_UP_DAG = "clean_up"
"""The DAG that seals abandoned runs, removes orphans and applies retention."""
AIRFLOW_TASK = "run"
"""The task of a DAG that Daybook makes: such a DAG has no other."""
SPARK_DAG = "spark_servers"
"""The DAG that starts and stops a workspace's Spark server when somebody asks for it."""
RUN_NOTEBOOK_DAG = "run_notebook"
"""The DAG that runs any notebook of the catalogue, named in its conf; every other DAG is called as its notebook."""
DAG_TAG = "daybook"
"""The tag in Airflow of every DAG that Daybook makes."""


def digest(*parts: str, length: int = _DIGEST_LENGTH) -> str:
    """Hex digest of a tuple of strings; the lengths are hashed too, so ("ab", "c") and ("a", "bc") differ."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(framed.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def slug(text: str, length: int = _SLUG_LENGTH) -> str:
    """Lower-case letters, digits and single dashes out of any text, never empty; for reading, not unique."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    dashed = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return dashed[:length].rstrip("-") or "x"


def run_id(notebook: str, asked_at: datetime, *identity: str) -> str:
    """The id of a run.

    Args:
        notebook: the notebook's id, for the reader.
        asked_at: when the run was asked for, with a time zone; the same at every attempt.
        identity: what makes the run this run and no other (for Airflow: DAG, DAG run, task, map index).
    """
    if asked_at.tzinfo is None:
        raise ValueError("asked_at needs a time zone")
    moment = asked_at.astimezone(UTC)
    return f"{moment.year:04}{moment:%m%dT%H%M%S}Z-{slug(notebook)}-{digest(notebook, moment.isoformat(), *identity)}"


def airflow_run_id(
    notebook: str, run_after: datetime, dag_id: str, dag_run_id: str, task_id: str = AIRFLOW_TASK, map_index: int = -1
) -> str:
    """The id of the run that an Airflow task instance stands for; every try of the task is an attempt of this run.

    Args:
        notebook: the notebook's id.
        run_after: the DAG run's `run_after`, with a time zone: set once, when the DAG run is made.
        dag_id: the DAG.
        dag_run_id: the DAG run's `run_id`.
        task_id: the task; by default the one of a DAG that Daybook makes.
        map_index: the task instance's map index, -1 for one that is not mapped.
    """
    return run_id(notebook, run_after, dag_id, dag_run_id, task_id, str(map_index))


def ordered_dag_run_id(user: str, dag_id: str, order: str) -> str:
    """The id of the DAG run that a user's order makes, however often it is sent.

    Args:
        user: on whose behalf.
        dag_id: the DAG.
        order: what the user calls the order by, any text (an idempotency key).
    """
    return f"manual__daybook-{digest(user, dag_id, order, length=_ORDER_DIGEST_LENGTH)}"


def is_run_id(text: str) -> bool:
    """Whether a string has the form of a run id; whatever came from outside is asked this before it becomes a key."""
    return re.fullmatch(RUN_ID_PATTERN, text) is not None and "--" not in text


def run_prefix(run: str) -> str:
    """The prefix of a run in its workspace's bucket, `runs/<yyyy>/<mm>/<dd>/<run_id>`, without a slash at the end."""
    if not is_run_id(run):
        raise ValueError(f"not a run id: {run!r}")
    return f"{RUNS}/{run[:4]}/{run[4:6]}/{run[6:8]}/{run}"


def day_prefix(day: date) -> str:
    """The prefix of all runs that were asked for on a day (UTC), without a slash at the end."""
    return f"{RUNS}/{day.year:04}/{day:%m/%d}"


def asked_at(run: str) -> datetime:
    """When a run was asked for, as its id tells.

    Raises:
        ValueError: it is no run id, or names a moment that there is not.
    """
    if not is_run_id(run):
        raise ValueError(f"not a run id: {run!r}")
    return datetime.strptime(run[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def run_of(key: str) -> str | None:
    """The run that a key of a bucket belongs to; None for a key that lies in no run's prefix."""
    parts = key.split("/")
    if len(parts) < _PARTS_OF_A_RUNS_KEY or not is_run_id(parts[4]):
        return None
    return parts[4] if key.startswith(f"{run_prefix(parts[4])}/") else None


def attempt_prefix(attempt: int) -> str:
    """Where an attempt's files lie, relative to the run's prefix: the first at the top, later ones on their own.

    No attempt ever writes where another one writes, so a late older attempt can spoil nothing; only the manifest is
    shared, and writing it is fenced by the attempt's number.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    return "" if attempt == 1 else f"{ATTEMPTS}/{attempt}/"


def pod_name(run: str, attempt: int) -> str:
    """The pod of an attempt: `daybook-<notebook>-<digest>-<attempt>`, a DNS label."""
    if not is_run_id(run):
        raise ValueError(f"not a run id: {run!r}")
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    tail = f"{run.rsplit('-', 1)[1]}-{attempt}"
    readable = run.split("-", 1)[1].rsplit("-", 1)[0]
    return f"daybook-{readable[: POD_NAME_LENGTH - len(tail) - len('daybook--')].rstrip('-')}-{tail}"


def secret_name(run: str, attempt: int) -> str:
    """The Secret with the short-lived credentials of an attempt's pod: the pod's name and what it holds."""
    return f"{pod_name(run, attempt)}-credentials"


def session_name(run: str, attempt: int) -> str:
    """How an attempt is called where its role is assumed, and so in the bucket's audit log: as its pod is.

    Letters, digits and dashes, 64 at most (STS's `RoleSessionName`).
    """
    return pod_name(run, attempt)


def spark_server_name(workspace: str, *identity: str) -> str:
    """The pod and Service of a Spark server: `daybook-spark-<workspace>-<digest>`, a DNS label.

    Args:
        workspace: whose.
        identity: all that makes the server this one and no other: size, image, settings, credentials.
    """
    tail = digest(workspace, *identity)
    readable = slug(workspace, POD_NAME_LENGTH - len(tail) - len("daybook-spark--"))
    return f"daybook-spark-{readable}-{tail}"


def spark_secret_name(server: str, word: str) -> str:
    """The Secret with the key of a Spark server: of one pod, since the next of the same name gets another word.

    Args:
        server: the server's name.
        word: that only this pod has.
    """
    return f"{server}-{digest(server, word)}"


def spark_credentials_name(server: str, word: str) -> str:
    """The Secret with the short-lived credentials of a Spark server's bucket."""
    return f"{spark_secret_name(server, word)}-credentials"


def spark_service_name(server: str, uid: str) -> str:
    """The Service of a Spark server, a DNS label: of one pod, since an ended pod's Service goes some time after it.

    Args:
        server: the server's name.
        uid: of its pod.
    """
    tail = digest(server, uid)
    return f"{server[: POD_NAME_LENGTH - len(tail) - 1].rstrip('-')}-{tail}"


def spark_state_key(server: str) -> str:
    """Where a Spark server says how it is, in its workspace's bucket.

    Raises:
        ValueError: it is no server's name.
    """
    return f"{SPARK_STATES}/{_spark_server(server)}.json"


def spark_sent_key(server: str) -> str:
    """What is written anew whenever a run is sent to a Spark server, in its workspace's bucket.

    Raises:
        ValueError: it is no server's name.
    """
    return f"{SPARK_SENT}/{_spark_server(server)}"


def _spark_server(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise ValueError(f"not a Spark server's name: {name!r}")
    return name


def pool_name(workspace: str) -> str:
    """The Airflow pool that a workspace's runs are counted in: `daybook_<workspace>`."""
    return f"daybook_{dns_label(workspace)}"


def dns_label(text: str) -> str:
    """A DNS label for any text: the text itself where it is one, else a slug with a digest; never another text's."""
    if re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) and not _looks_minted(text):
        return text
    return _slug_with_digest(text)


def label_value(text: str) -> str:
    """A Kubernetes label value for any text: the text itself where it is one, else a slug with a digest.

    A text that is itself a label value and ends as ours with a digest do gets a digest too, but for run ids, whose form
    is ours alone: so nobody can choose a name that becomes the label of another.
    """
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", text):
        return _slug_with_digest(text)
    return _slug_with_digest(text) if _looks_minted(text) and not is_run_id(text) else text


def _looks_minted(text: str) -> bool:
    return re.fullmatch(rf".+-[0-9a-f]{{{_DIGEST_LENGTH}}}", text) is not None


def _slug_with_digest(text: str) -> str:
    return f"{slug(text, LABEL_VALUE_LENGTH - _DIGEST_LENGTH - 1)}-{digest(text)}"


@dataclass(frozen=True)
class AttemptKeys:
    """The keys of one attempt's files, relative to the run's prefix."""

    attempt: int

    @property
    def prefix(self) -> str:
        """Empty for the first attempt, `attempts/<n>/` for later ones."""
        return attempt_prefix(self.attempt)

    @property
    def notebook(self) -> str:
        """The executed notebook."""
        return self.prefix + NOTEBOOK_FILE

    @property
    def html(self) -> str:
        """The executed notebook, rendered."""
        return self.prefix + HTML_FILE

    @property
    def log(self) -> str:
        """The runner's log."""
        return self.prefix + LOG_FILE

    def side_file(self, name: str) -> str:
        """Output of a cell that was too large for the notebook."""
        return f"{self.prefix}{SIDE_FILES}/{name}"

    def preview(self, path: str) -> str:
        """A small look into an output that is a table, by the output's path."""
        return f"{self.prefix}{PREVIEWS}/{path}.json"

    @property
    def manifest(self) -> str:
        """A copy of an earlier attempt's last manifest, kept when a newer attempt takes over the run's own."""
        return f"{ATTEMPTS}/{self.attempt}/{MANIFEST}"

    @property
    def journal(self) -> str:
        """Where the slices of the attempt's journal lie while it runs."""
        return self.prefix + JOURNAL

    def journal_slice(self, begin: int) -> str:
        """The slice that begins at that byte of the journal; in the order of their names they follow one another."""
        return f"{self.prefix}{JOURNAL}/{begin:012}.jsonl"

    def output(self, path: str) -> str:
        """An output, by its path below the outputs folder (POSIX, relative, already checked)."""
        return f"{self.prefix}{OUTPUTS}/{path}"
