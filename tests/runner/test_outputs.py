"""What the manifest says of a notebook's files, results and Spark."""

import json

import pytest

from daybook.runner.events import events_of
from daybook.runner.outputs import collect, media_type


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.csv", "text/csv"),
        ("a.PARQUET", "application/vnd.apache.parquet"),
        ("a.png", "image/png"),
        ("a.html", "text/html"),
        ("a.tif", "image/tiff"),
        ("a.json", "application/json"),
        ("a", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
        ("plots/.hidden", "application/octet-stream"),
    ],
)
def test_media_types_are_told_by_the_name(path, kind):
    assert media_type(path) == kind


def test_names_that_are_not_utf8_are_left_out(tmp_path):
    (tmp_path / "good").write_text("")
    (tmp_path / "bad\udcff").write_text("")
    said = []
    assert [each.path for each in collect(tmp_path, said.append)] == ["good"]
    assert said == ["output 'bad\\udcff' has a name that is not UTF-8 and was left out"]


def test_linked_folders_are_left_out_even_if_they_lead_in_circles(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_text("")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    said = []
    assert [each.path for each in collect(tmp_path, said.append)] == ["a/f"]
    assert "link to a folder" in said[0]


def test_an_outputs_folder_that_is_gone_has_no_outputs(tmp_path):
    assert collect(tmp_path / "gone", print) == []


def test_events_give_results_and_spark_and_tell_what_is_lost(tmp_path):
    path = tmp_path / "events"
    events = [
        {"kind": "result", "name": "a", "value": 1},
        {"kind": "spark", "remote": "sc://h:1", "application_id": "app", "version": "4.3.0", "ui": None},
        {"kind": "result", "name": "a", "value": {"b": [None]}},
        {"kind": "unheard-of"},
        {"kind": "spark", "version": 7},
    ]
    path.write_text(
        "".join(json.dumps(each) + "\n" for each in events) + 'half a li\n{"kind": "result", "value": NaN}\n'
    )
    told = events_of(path)
    assert told.results == {"a": {"b": [None]}}
    assert (told.spark.application_id, told.spark.version) == ("app", "4.3.0")
    assert [each.split(" of ")[0] for each in told.lost] == ["line 6", "line 7"]


def test_too_large_results_are_told_of(tmp_path):
    path = tmp_path / "events"
    path.write_text(
        "".join(json.dumps({"kind": "result", "name": f"n{i}", "value": "x" * 60_000}) + "\n" for i in range(20))
    )
    told = events_of(path)
    assert 0 < len(told.results) < 20
    assert len(told.results) + len(told.lost) == 20
