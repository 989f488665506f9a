"""Inputs inferred from a parameters cell."""

from typing import Any

import pytest

from daybook.catalogue import Input
from daybook.catalogue.infer import CellSyntaxError, infer_inputs

FILLED, LEFT, REQUIRED = "filled", "left to the notebook", "required"


def fate(item: Input) -> str:
    if item.is_required:
        return REQUIRED
    return FILLED if item.has_default else LEFT


@pytest.mark.parametrize(
    ("line", "kind", "expected_fate", "default"),
    [
        ("x = 5", "integer", FILLED, 5),
        ("x = -5", "integer", FILLED, -5),
        ("x = 1_000", "integer", FILLED, 1000),
        ("x = 5.0", "number", FILLED, 5.0),
        ("x = -1e-3", "number", FILLED, -0.001),
        ("x = True", "boolean", FILLED, True),
        ("x = 'a' 'b'", "string", FILLED, "ab"),
        ("x = '2013-01-31'", "string", FILLED, "2013-01-31"),
        ("x: date = '2013-01-31'", "date", FILLED, "2013-01-31"),
        ("x: datetime.date = '2013-01-31'", "date", FILLED, "2013-01-31"),
        ("x: datetime = '2013-01-31T00:00Z'", "datetime", FILLED, "2013-01-31T00:00:00+00:00"),
        ("x = date(2013, 1, 31)", "date", LEFT, None),
        ("x = datetime.date(2013, 1, 31)", "date", LEFT, None),
        ("x = datetime.datetime(2013, 1, 31, 5)", "datetime", LEFT, None),
        ("x: date = date.today()", "date", LEFT, None),
        ("x = None", "schema", FILLED, None),
        ("x: int = None", "integer", FILLED, None),
        ("x: int | None = None", "integer", FILLED, None),
        ("x: Optional[str] = None", "string", FILLED, None),
        ("x: Union[None, float] = 1", "number", FILLED, 1.0),
        ("x: int | str = 1", "integer", FILLED, 1),
        ("x: float = 5", "number", FILLED, 5.0),
        ("x: 'int' = 5", "integer", FILLED, 5),
        ("x: int", "integer", REQUIRED, None),
        ("x: Path", "schema", REQUIRED, None),
        ("x: int = 'five'", "string", FILLED, "five"),
        ("x: Literal['a', 'b'] = 'a'", "enum", FILLED, "a"),
        ("x: typing.Literal[1, 2] = 2", "enum", FILLED, 2),
        ("x: Literal['a', 'b']", "enum", REQUIRED, None),
        ("x: Literal['a', 'b'] = 'c'", "string", FILLED, "c"),
        ("x = 'https://a.example/b.tif'", "url", FILLED, "https://a.example/b.tif"),
        ("x = 'https://user:pw@a.example/'", "string", FILLED, "https://user:pw@a.example/"),
        ("x = ['s3://a/b', 'https://c.example/d']", "url_list", FILLED, ["s3://a/b", "https://c.example/d"]),
        ("x = ['s3://a/b', 'c']", "list", FILLED, ["s3://a/b", "c"]),
        ("bbox = [-1, 50, 1.5, 52]", "bbox", FILLED, [-1.0, 50.0, 1.5, 52.0]),
        ("aoi_bbox: list[float] = [-1, 50, 1.5, 52]", "bbox", FILLED, [-1.0, 50.0, 1.5, 52.0]),
        ("bbox = [1, 2, 3]", "list", FILLED, [1, 2, 3]),
        ("bbox = [500, 2, 3, 4]", "list", FILLED, [500, 2, 3, 4]),
        ("x = [-1, 50, 1, 52]", "list", FILLED, [-1, 50, 1, 52]),
        ("x = []", "list", FILLED, []),
        ("x: list[int] = []", "list", FILLED, []),
        ("x: list[list[int]] = [[1]]", "list", FILLED, [[1]]),
        ("x = {'a': [1]}", "object", FILLED, {"a": [1]}),
        ("x: dict[str, int] = {}", "object", FILLED, {}),
        ("x = (1, 2)", "schema", LEFT, None),
        ("x = {1, 2}", "schema", LEFT, None),
        ("x = {1: 2}", "schema", LEFT, None),
        ("x = b'a'", "schema", LEFT, None),
        ("x = float('nan')", "schema", LEFT, None),
        ("x = 1e999", "schema", LEFT, None),
        ("x = 60 * 60", "schema", LEFT, None),
        ("x: int = 60 * 60", "integer", LEFT, None),
        ("x = f'{y}'", "schema", LEFT, None),
        ("x = os.environ['HOME']", "schema", LEFT, None),
        ("x = !hostname", "schema", LEFT, None),
        ("x = 5 # type: float", "number", FILLED, 5.0),
        ("x = 5 # type: Nonsense[", "integer", FILLED, 5),
    ],
)
def test_type_and_default_of_a_line(line: str, kind: str, expected_fate: str, default: Any) -> None:
    (item,) = infer_inputs(line)
    assert (item.type, fate(item), item.default) == (kind, expected_fate, default)


def test_a_made_date_is_shown_as_the_example() -> None:
    start, at = infer_inputs("start = date(2013, 1, 31)\nat = datetime(2013, 1, 31, 5)\n")
    assert (start.example, at.example) == ("2013-01-31", "2013-01-31T05:00:00+00:00")


def test_items_of_a_list_are_typed_where_they_are_alike() -> None:
    inputs = infer_inputs("a = [1, 2]\nb = [1, 2.5]\nc = ['x']\nd = [1, 'x']\ne: list[date] = []")
    assert [item.items and item.items.type for item in inputs] == ["integer", "number", "string", None, "date"]


def test_comment_after_the_value_is_the_description() -> None:
    inputs = infer_inputs(
        "# not this\n"
        "a = 1  # hours to look back\n"
        "b = 2  # type: float minutes to wait\n"
        "c = '#no'\n"
        "d = [\n    1,  # not this\n    2,\n]  # the levels\n"
    )
    assert [item.description for item in inputs] == ["hours to look back", "minutes to wait", "", "the levels"]


def test_magics_are_passed_over_and_texts_that_look_like_one_are_not() -> None:
    inputs = infer_inputs("%matplotlib inline\n!ls\nx?\na = '''\n%keep\n'''\nif True:\n    %time\nb = 1")
    assert [(item.name, item.default) for item in inputs] == [("a", "\n%keep\n"), ("b", 1)]


def test_what_cannot_be_an_input_is_not_one() -> None:
    source = "import os\n_x = 1\nworkspace = 'w'\na, b = 1, 2\nc.d = 1\ne += 1\ndef f(): g = 1\nh = 1"
    assert [item.name for item in infer_inputs(source)] == ["h"]


def test_the_last_of_two_assignments_counts_and_chains_give_several() -> None:
    inputs = infer_inputs("a = 1\na = 'x'\nb = c = 2.5")
    assert [(item.name, item.default) for item in inputs] == [("a", "x"), ("b", 2.5), ("c", 2.5)]


@pytest.mark.parametrize("source", ["", "# nothing", "pass\n"])
def test_an_empty_cell_has_no_inputs(source: str) -> None:
    assert infer_inputs(source) == ()


@pytest.mark.parametrize(
    ("source", "line"),
    [("a = 1\nb = = 2\n", 2), ("%matplotlib inline\na = 1\nb = (\n", 3), ("a = '\0'", 1)],
)
def test_a_cell_that_is_not_python_names_its_line(source: str, line: int) -> None:
    with pytest.raises(CellSyntaxError) as caught:
        infer_inputs(source)
    assert caught.value.line == line


def test_the_cell_is_never_run() -> None:
    (item,) = infer_inputs("x = __import__('sys').exit(3)")
    assert fate(item) == LEFT
