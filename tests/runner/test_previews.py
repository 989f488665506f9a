"""Small looks into outputs that are tables."""

import json
import subprocess
import sys

import pytest

from daybook.contract.manifest import State
from daybook.contract.preview import PREVIEW_CHARACTERS, PREVIEW_COLUMNS, PREVIEW_ROWS, TablePreview
from daybook.runner import preview, previews
from daybook.runner.outputs import OutputFile
from daybook.runner.preview import preview_of
from daybook.runner.previews import PARQUET, previews_of

pa = pytest.importorskip("pyarrow")


def parquet(path, columns, **options):
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table(columns), path, **options)
    return str(path)


def output(path):
    return OutputFile(path.name, path, path.stat().st_size, PARQUET)


def test_a_table_is_told_by_columns_types_first_rows_and_how_many(tmp_path):
    found = preview_of(parquet(tmp_path / "a.parquet", {"n": list(range(100)), "t": ["é", None] * 50}))
    assert (found.columns, found.types, found.rows, found.columns_in_all) == (("n", "t"), ("int64", "string"), 100, 2)
    assert len(found.head) == PREVIEW_ROWS
    assert found.head[:2] == (("0", "é"), ("1", None))


def test_what_is_wide_or_long_is_cut(tmp_path):
    columns = {f"c{n}": ["x" * 1000] for n in range(PREVIEW_COLUMNS + 5)}
    found = preview_of(parquet(tmp_path / "a.parquet", columns))
    assert (len(found.columns), len(found.head[0]), found.columns_in_all) == (30, 30, 35)
    assert found.head[0][0] == "x" * PREVIEW_CHARACTERS + "…"


def test_odd_values_are_shown_as_text(tmp_path):
    found = preview_of(parquet(tmp_path / "a.parquet", {"b": [b"\xff\x00"], "l": [[1, None]], "f": [float("nan")]}))
    assert found.head == (("ff00", "[1, None]", "nan"),)


def test_a_table_without_rows_or_columns_is_one(tmp_path):
    assert preview_of(parquet(tmp_path / "a.parquet", {"a": pa.array([], "int8")})).head == ()
    assert preview_of(parquet(tmp_path / "b.parquet", {})).columns == ()


def test_of_large_groups_of_rows_only_what_the_files_end_says_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(preview, "MAX_GROUP_BYTES", 100)
    found = preview_of(parquet(tmp_path / "a.parquet", {"n": list(range(1000))}))
    assert (found.columns, found.head, found.rows) == (("n",), (), 1000)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"<script>"])
def test_what_is_no_table_has_none(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    assert preview_of(str(tmp_path / "a.parquet")) is None


def test_several_files_are_looked_into_each_for_itself(tmp_path):
    parquet(tmp_path / "a.parquet", {"a": [1]}), parquet(tmp_path / "c.parquet", {"c": [1]})
    (tmp_path / "b.parquet").write_bytes(b"none")
    found = previews_of([output(tmp_path / f"{name}.parquet") for name in "abc"], pytest.fail)
    assert {path: each["columns"] for path, each in found.items()} == {"a.parquet": ["a"], "c.parquet": ["c"]}


def test_a_file_on_which_the_reader_hangs_costs_only_its_own_look_and_later_ones(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"")
    (tmp_path / "b.parquet").write_bytes(b"")
    script = "import sys, time; print('{}', flush=True); time.sleep(600)"
    run = subprocess.run

    def hanging(command, **options):
        return run([sys.executable, "-c", script], **options)

    monkeypatch.setattr(previews.subprocess, "run", hanging)
    monkeypatch.setattr(previews, "SECONDS", 1.0)
    said = []
    assert previews_of([output(tmp_path / f"{name}.parquet") for name in "ab"], said.append) == {"a.parquet": {}}
    assert said == ["no previews of all tables: they were not read within 1 s"]


def test_a_reader_that_crashes_is_borne(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"")
    run = subprocess.run
    crash = "import os; os.write(1, b'{}'); os.abort()"
    monkeypatch.setattr(previews.subprocess, "run", lambda command, **o: run([sys.executable, "-c", crash], **o))
    assert previews_of([output(tmp_path / "a.parquet")], pytest.fail) == {}


def test_the_reader_gets_nothing_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    parquet(tmp_path / "a.parquet", {"a": [1]})
    given = []
    run = subprocess.run

    def noting(command, **options):
        given.append(options["env"])
        return run(command, **options)

    monkeypatch.setattr(previews.subprocess, "run", noting)
    assert previews_of([output(tmp_path / "a.parquet")], pytest.fail)
    assert given == [{}]


WRITE = """
import os, pathlib, pyarrow, pyarrow.parquet
outputs = pathlib.Path(os.environ["DAYBOOK_OUTPUTS"])
(outputs / "sub").mkdir()
pyarrow.parquet.write_table(pyarrow.table({"token": ["the-long-secret", "b"]}), outputs / "sub" / "a b.parquet")
(outputs / "none.parquet").write_bytes(b"none")
"""


def test_a_runs_record_names_its_previews_and_they_hold_no_known_secret(run):
    ended = run(WRITE, environment={"MY_TOKEN": "the-long-secret"})
    assert ended.manifest.state is State.SUCCEEDED
    named = {each.path: each.preview for each in ended.manifest.outputs}
    assert named == {"none.parquet": None, "sub/a b.parquet": "previews/sub/a b.parquet.json"}
    found = TablePreview.model_validate(json.loads((ended.folder / named["sub/a b.parquet"]).read_text()))
    assert found.head == (("[redacted]",), ("b",))
