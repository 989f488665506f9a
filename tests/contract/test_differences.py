"""What differs between two runs."""

import pytest

from builders import DIGEST, a_manifest, an_output
from daybook.contract.differences import ABSENT, Difference, beforehand, differences
from daybook.contract.manifest import KernelRecord, NotebookRecord, Reason, State

IMAGE_DIGEST = "sha256:" + "a" * 64
OTHER = "1" * 64


def run(**changes):
    given = {"packages": {"numpy": "2.0"}, "image": "daybook/notebook:1", "image_digest": IMAGE_DIGEST}
    return a_manifest(**{**given, **changes})


def notebook(sha256):
    return NotebookRecord(id="n", source="/n.ipynb", sha256=sha256)


def test_nothing_differs_between_a_run_and_itself():
    found = differences(run(outputs=(an_output(),)), run(outputs=(an_output(),)))
    assert (found.differences, found.unknown) == ((), ())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"notebook": notebook(OTHER)}, [("notebook", "", DIGEST, OTHER)]),
        ({}, {"image": "daybook/notebook:2"}, [("image", "", "daybook/notebook:1", "daybook/notebook:2")]),
        (
            {"image": None, "image_digest": None},
            {},
            [
                ("image", "", ABSENT, "daybook/notebook:1"),
                ("image_digest", "", ABSENT, IMAGE_DIGEST),
            ],
        ),
        (
            {},
            {"image_digest": IMAGE_DIGEST.replace("a", "b")},
            [("image_digest", "", IMAGE_DIGEST, IMAGE_DIGEST.replace("a", "b"))],
        ),
        (
            {"packages": {"gone": "1", "numpy": "1.26", "same": "3"}},
            {"packages": {"added": "4", "numpy": "2.0", "same": "3"}},
            [("package", "added", ABSENT, "4"), ("package", "gone", "1", ABSENT), ("package", "numpy", "1.26", "2.0")],
        ),
        (
            {},
            {"kernel": KernelRecord(name="python3", language="python", language_version="3.12.1")},
            [("kernel", "", "python3 (python 3.11.7)", "python3 (python 3.12.1)")],
        ),
        (
            {"parameters": {"a": 1, "b": [1, {"c": 2, "d": 3}]}},
            {"parameters": {"a": True, "b": [1, {"d": 3, "c": 2}], "n": None}},
            [("parameter", "a", 1, True), ("parameter", "n", ABSENT, None)],
        ),
        ({"secrets": {"token": "a"}}, {"secrets": {"token": "b"}}, [("secret", "token", "a", "b")]),
        (
            {"state": State.FAILED, "reason": Reason.CELL_ERROR},
            {},
            [("state", "", "failed (cell_error)", "succeeded")],
        ),
        (
            {"results": {"mean": 1.5, "n": 3}},
            {"results": {"mean": 1.6, "n": 3, "max": None}},
            [("result", "max", ABSENT, None), ("result", "mean", 1.5, 1.6)],
        ),
        (
            {"outputs": (an_output("a.csv"), an_output("b.csv"))},
            {"outputs": (an_output("a.csv", sha256=OTHER), an_output("b.csv", key="attempts/2/outputs/b.csv"))},
            [("output", "a.csv", DIGEST, OTHER)],
        ),
    ],
)
def test_each_thing_that_differs_is_told(old, new, expected):
    found = differences(run(**old), run(**new))
    assert list(found.differences) == [Difference(*each) for each in expected]
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("lacking", "what"),
    [
        ({"notebook": notebook(None)}, "notebook"),
        ({"image_digest": None}, "image_digest"),
        ({"kernel": None}, "kernel"),
        ({"packages": {}}, "package"),
        ({"sealed": False, "state": State.RUNNING}, "state"),
    ],
)
def test_of_what_one_of_them_does_not_tell_nothing_is_made_up(lacking, what):
    for pair in ((run(**lacking), run()), (run(), run(**lacking)), (run(**lacking), run(**lacking))):
        found = differences(*pair)
        assert (found.differences, found.unknown) == ((), (what,))


def test_notebook_and_image_can_be_compared_before_there_is_a_run():
    assert beforehand(run(), DIGEST, "daybook/notebook:1").differences == ()
    changed = beforehand(run(), OTHER, "daybook/notebook:2").differences
    assert [each.what for each in changed] == ["notebook", "image"]
    assert beforehand(run(), None, "daybook/notebook:1").unknown == ("notebook",)
    assert beforehand(run(image=None), DIGEST, None).unknown == ()


def test_a_difference_is_told_in_words_and_as_json():
    added, nulled = Difference("package", "numpy", ABSENT, "2.0"), Difference("result", "n", {"a": "x" * 99}, None)
    assert str(added) == "package numpy: none → 2.0"
    assert added.document() == {"what": "package", "name": "numpy", "now": "2.0"}
    assert str(nulled) == 'result n: {"a": "' + "x" * 52 + "… → null"
    assert nulled.document() == {"what": "result", "name": "n", "then": {"a": "x" * 99}, "now": None}
    assert str(Difference("image_digest", "", "a", "b")) == "image digest: a → b"
