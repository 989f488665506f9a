"""`daybook.notebook` on the cluster is as it is here; what a notebook makes there comes back; nothing stays behind."""

import base64
import json
import math
import re
from contextlib import contextmanager
from functools import partial

import pytest

from daybook.databricks.errors import DatabricksFailed, RemoteFailed
from daybook.databricks.in_run import companion as companion_module
from daybook.databricks.in_run import fetching
from daybook.databricks.in_run.companion import Companion
from daybook.databricks.in_run.telling import Telling
from daybook.databricks.interruption import Interrupted
from daybook.runner.events import events_of

LONG = 60.0


@contextmanager
def no_other():
    """There is no other context to be had."""
    raise DatabricksFailed("the cluster is gone")
    yield


def folders(process):
    return list((process.home / "tmp").glob("daybook-*"))


def test_the_notebooks_imports_work_unchanged_and_nothing_stays_behind(process, run, companion):
    known = companion.begin(process)
    process.run_python(
        "from daybook.notebook import outputs, record, workspace\n"
        "outputs('plots', 'ä b.txt').write_text('a plot')\n"
        "open('outputs/plain.bin', 'wb').write(bytes(range(256)))\n"
        "record('mean', 1.5)\n"
        "record('who', [workspace().name, workspace().run_id, workspace().notebook, workspace().user])\n"
    )
    companion.leave(process, no_other, LONG)
    assert run.fetched == {"plots/ä b.txt": b"a plot", "plain.bin": bytes(range(256))}
    told = events_of(run.events)
    assert told.results == {"mean": 1.5, "who": ["research", "run-1", "nb", "ada"]}
    assert told.lost == []
    assert known["runtime"] == "16.4"
    assert known["python"].startswith("3.")
    assert folders(process) == []
    assert not [each.name for each in run.outputs.parent.iterdir() if each.name != "outputs"]


def test_no_secret_travels(process, companion):
    companion.begin(process)
    said = process.run_python("import os; print(sorted(os.environ.items()))")
    companion.leave(process, no_other, LONG)
    texts = re.findall(r"'([A-Za-z0-9+/=]{16,})'", "".join(process.asked))
    assert len(texts) >= 2
    assert "hush" not in said
    assert not any(b"hush" in each for each in map(base64.b64decode, texts))


def test_a_secret_input_is_refused_with_the_way_out(process, companion):
    companion.begin(process)
    with pytest.raises(RemoteFailed, match=r"dbutils\.secrets\.get\(scope, key\)"):
        process.run_python("from daybook.notebook import secret; secret('key')")


SPARK = """
import sys, types
class Conf:
    def set(self, name, value):
        if name == 'bad': raise RuntimeError('no such setting\\nand more')
        made.append((name, value))
class Session:
    version, conf, made = '3.5.2', Conf(), []
    sparkContext = types.SimpleNamespace(applicationId='app-1')
    @classmethod
    def getActiveSession(cls): return cls()
made = []
sys.modules['pyspark'] = types.ModuleType('pyspark')
sys.modules['pyspark.sql'] = types.SimpleNamespace(SparkSession=Session)
from daybook.notebook import get_spark_session
"""


def test_spark_is_the_clusters_own_session(process, run, companion):
    """In the place of pyspark, which a driver has running, stands as little as is asked for."""
    companion.begin(process)
    process.run_python(f"{SPARK}get_spark_session('app', settings={{'a': True, 'b': 4}}, local=False)")
    assert process.run_python("print(made)").strip() == "[('a', 'true'), ('b', '4')]"
    for asked in ("local=True", "remote='sc://x'", "settings={'bad': 1}"):
        with pytest.raises(RemoteFailed, match="cluster"):
            process.run_python(f"get_spark_session({asked})")
    companion.leave(process, no_other, LONG)
    spark = events_of(run.events).spark.record(running=False)
    assert (spark.application_id, spark.version) == ("app-1", "3.5.2")


def test_outside_of_a_run_outputs_are_where_the_notebook_is_and_nothing_is_fetched(process, tmp_path):
    companion = Companion({}, Telling({}))
    companion.begin(process)
    where = process.run_python(
        "from daybook.notebook import outputs, record, workspace\nrecord('x', 1); print(workspace().name, outputs())"
    )
    assert where.strip() == f"local {process.home}/outputs"
    asked = len(process.asked)
    companion.leave(process, no_other, LONG)
    assert len(process.asked) == asked


def test_what_was_written_before_the_process_died_is_fetched_all_the_same(process, run, companion):
    companion.begin(process)
    process.run_python("from daybook.notebook import outputs, record; record('a', 1); outputs('a.txt').write_text('a')")
    with pytest.raises(Exception, match="unresponsive"):
        process.run_python("import os; os._exit(1)")
    companion.leave(process, no_other, LONG)
    assert run.fetched == {"a.txt": b"a"}
    assert events_of(run.events).results == {"a": 1}
    assert folders(process) == []


def test_large_files_come_in_parts_and_small_ones_together(process, run, companion, monkeypatch):
    monkeypatch.setattr(companion_module, "Fetch", partial(fetching.Fetch, part_bytes=1000))
    companion.begin(process)
    process.run_python(
        "from daybook.notebook import outputs\n"
        "outputs('large').write_bytes(bytes(range(256)) * 20)\n"
        "for n in range(30): outputs('small', str(n)).write_text(str(n))\n"
        "outputs('empty').write_text('')"
    )
    before = len(process.asked)
    companion.leave(process, no_other, LONG)
    assert run.fetched["large"] == bytes(range(256)) * 20
    assert run.fetched["empty"] == b""
    assert [run.fetched[f"small/{n}"].decode() for n in range(30)] == [str(n) for n in range(30)]
    assert len(process.asked) - before < 12


@pytest.mark.parametrize("characters", [200_000, 50_000])
def test_an_answer_that_is_cut_is_asked_for_in_smaller_parts(process, run, companion, characters):
    """50,000 characters is what runtimes up to 16.4 LTS let through."""
    companion.begin(process)
    process.run_python(
        "import os; from daybook.notebook import outputs, record; outputs('a').write_bytes(os.urandom(700_000));"
        "[record(f'r{n}', os.urandom(2_000).hex()) for n in range(60)]"
    )
    process.text_limit = characters
    companion.leave(process, no_other, LONG)
    assert len(run.fetched["a"]) == 700_000
    told = events_of(run.events)
    assert told.lost == []
    assert list(told.results) == [f"r{n}" for n in range(60)]


def test_so_many_files_that_their_list_is_cut_come_all_the_same(process, run, companion):
    companion.begin(process)
    process.run_python(
        "import os; from daybook.notebook import outputs\nfor n in range(3_000): outputs(os.urandom(20).hex()).touch()"
    )
    companion.leave(process, no_other, LONG)
    assert len(run.fetched) == 3_000
    assert events_of(run.events).lost == []


def test_of_what_was_recorded_beyond_the_limit_the_beginning_is_kept(process, run, companion, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_RESULT_BYTES", 1_000)
    companion.begin(process)
    process.run_python("from daybook.notebook import record\nfor n in range(100): record(f'r{n}', n)")
    companion.leave(process, no_other, LONG)
    told = events_of(run.events)
    assert "r0" in told.results
    assert "r99" not in told.results
    assert "only the first 1000 were fetched" in told.lost[0]


def test_a_cluster_that_cuts_everything_is_told_of(process, run, companion):
    companion.begin(process)
    process.run_python("import os; from daybook.notebook import outputs; outputs('a').write_bytes(os.urandom(700_000))")
    process.text_limit = 1000
    companion.leave(process, no_other, LONG)
    assert run.fetched == {}
    assert "the cluster is gone" in events_of(run.events).lost[0]


def test_links_pipes_and_too_many_files_are_left_out_and_told(process, run, companion, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_FILES", 3)
    monkeypatch.setattr(fetching, "MAX_OUTPUT_BYTES", 100)
    companion.begin(process)
    process.run_python(
        "import os; from daybook.notebook import outputs\n"
        "os.symlink('/etc/passwd', outputs('out')); os.symlink('/etc', outputs('folder')); os.mkfifo(outputs('pipe'))\n"
        "outputs('a').write_text('a'); os.symlink(outputs('a'), outputs('b')); outputs('c').write_bytes(b'x' * 200)\n"
        "open(os.path.join(os.fsencode(outputs()), b'\\xff'), 'w').close()\n"
        "outputs('d').write_text('d'); outputs('e').write_text('e')"
    )
    companion.leave(process, no_other, LONG)
    assert run.fetched == {"a": b"a", "b": b"a"}
    lost = "\n".join(events_of(run.events).lost)
    for each in (
        "'out' is a link that leads out of the outputs folder",
        "'folder' is a link to a folder",
        "'pipe' is no plain file",
        "'c' is more than the 2 GiB",
        "only the first 3 files",
    ):
        assert each in lost
    assert folders(process) == []


def test_without_time_what_stays_behind_is_told(process, run, companion):
    companion.begin(process)
    process.run_python("from daybook.notebook import outputs; outputs('a').write_text('a')")
    companion.leave(process, no_other, 1.0)
    assert run.fetched == {}
    (lost,) = events_of(run.events).lost
    assert "no time left" in lost
    assert folders(process) == []


class Breaking:
    """A way to a process that breaks once some questions of a kind were answered."""

    def __init__(self, process, error, do, after):
        self._process, self._error, self._do, self._left = process, error, do, after

    def run_python(self, code, *, limit_seconds=None):
        question = re.search(r"m\.answer\('\w+', '([^']*)'\)", code)
        if question and json.loads(base64.b64decode(question[1]))["do"] == self._do:
            self._left -= 1
            if self._left < 0:
                raise self._error
        return self._process.run_python(code, limit_seconds=limit_seconds)


def recorded(process, companion, monkeypatch):
    """Five records on the cluster, which come in parts of about one."""
    monkeypatch.setattr(companion_module, "Fetch", partial(fetching.Fetch, part_bytes=60))
    companion.begin(process)
    process.run_python("from daybook.notebook import record\nfor n in range(5): record(f'r{n}', n)")


def lines(run):
    return [event for line in run.events.read_text().splitlines() if (event := json.loads(line))["kind"] == "result"]


@pytest.mark.parametrize("error", [RemoteFailed("the line is cut"), DatabricksFailed("no"), Interrupted()])
@pytest.mark.parametrize("needed", [math.inf, 0.0])
def test_what_had_come_of_the_results_is_kept_whatever_fails_then(process, run, companion, monkeypatch, error, needed):
    """There is no time for a fresh context, or it is tried in vain."""
    monkeypatch.setattr(companion_module, "FRESH_SECONDS", needed)
    recorded(process, companion, monkeypatch)
    companion.leave(Breaking(process, error, "results", 2), no_other, LONG)
    assert [each["name"] for each in lines(run)] == ["r0", "r1"]
    assert "still on the cluster" in events_of(run.events).lost[0]


@pytest.mark.parametrize(("do", "after"), [("results", 2), ("listed", 0)])
def test_a_fresh_context_goes_on_where_the_other_broke(process, run, companion, monkeypatch, do, after):
    recorded(process, companion, monkeypatch)
    process.run_python("from daybook.notebook import outputs; outputs('a').write_text('a')")

    @contextmanager
    def fresh():
        yield process

    companion.leave(Breaking(process, RemoteFailed("the line is cut"), do, after), fresh, LONG)
    assert [each["name"] for each in lines(run)] == [f"r{n}" for n in range(5)]
    assert run.fetched == {"a": b"a"}
    assert events_of(run.events).lost == []


def test_a_notebook_cannot_tell_of_the_cluster_in_the_kernels_place(process, run, companion):
    companion.begin(process)
    lines = [
        {"kind": "databricks", "host": "https://evil"},
        {"kind": "databricks_failure", "execution_count": 1, "reason": "context_lost"},
        {"kind": "result", "name": "a", "value": 1},
    ]
    text = "".join(json.dumps(each) + "\n" for each in lines) + "no json\n[1]\n"
    process.run_python(f"import os; open(os.environ['DAYBOOK_RESULTS'], 'a').write({text!r})")
    companion.leave(process, no_other, LONG)
    told = events_of(run.events)
    assert (told.databricks, told.failures, told.results, told.lost) == (None, {}, {"a": 1}, [])
