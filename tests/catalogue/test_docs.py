"""The documentation's examples are read as it says, and its schema file is current."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from jsonschema import Draft202012Validator

from daybook.catalogue import TYPES, Input, InputType, load_catalogue, spec_schema
from daybook.catalogue.constraints import Constraints
from daybook.catalogue.documents import read_yaml
from daybook.catalogue.infer import infer_inputs

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "writing-a-notebook.md").read_text(encoding="utf-8")
SCHEMA_FILE = DOCS / "schemas" / "spec.schema.json"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("spec", blocks("yaml"), ids=lambda spec: None)
def test_each_spec_is_read_and_matches_the_schema(spec: str, root: Path, entry: Callable[..., Path]) -> None:
    entry("example", spec)
    catalogue = load_catalogue([root])
    assert catalogue.broken == ()
    assert catalogue.notebooks["example"].inputs
    Draft202012Validator(spec_schema()).validate(read_yaml(spec)[0])


def test_the_json_list_is_read(tmp_path: Path) -> None:
    (listed,) = blocks("json")
    path = tmp_path / "catalogue.json"
    path.write_text(listed)
    catalogue = load_catalogue([path])
    assert catalogue.broken == ()
    assert (len(catalogue.notebooks), len(catalogue.not_runnable)) == (2, 1)


def test_the_parameters_cell_gives_the_inputs_that_the_page_names() -> None:
    (cell,) = blocks("python")
    assert {item.name: (item.type, item.left_to_notebook) for item in infer_inputs(cell)} == {
        "origin": ("enum", False),
        "month": ("integer", False),
        "min_delay": ("number", False),
        "day": ("date", False),
        "bbox": ("bbox", False),
        "scenes": ("url_list", False),
        "label": ("string", False),
        "start": ("date", True),
        "limit": ("schema", True),
    }


@pytest.mark.parametrize("kind", TYPES.values(), ids=lambda kind: kind.name)
def test_each_type_has_a_row_with_its_keys_and_widgets(kind: InputType) -> None:
    (row,) = re.findall(rf"^\| `{kind.name}` \|.*$", PAGE, re.MULTILINE)
    if kind.name != "number":  # whose row says "the same"
        assert {f"`{Constraints.model_fields[name].alias or name}`" for name in kind.constraints} <= set(
            row.split()
        ) | {word.rstrip(",;") for word in row.split()}
    sample = Input(name="x", type=kind.name, **({"choices": ["a"]} if kind.name == "enum" else {}))
    assert all(widget in row for widget in kind.widgets(sample))


def test_the_schema_file_is_current() -> None:
    """Write it anew with `print(json.dumps(spec_schema(), indent=2))`."""
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == spec_schema()


def test_the_schema_is_a_schema_that_refuses_what_the_catalogue_refuses() -> None:
    Draft202012Validator.check_schema(spec_schema())
    validator = Draft202012Validator(spec_schema())
    for text in ("titel: x", "run: {cpus: 2}", "inputs: {a: integr}", "inputs: {a: {type: integer, min: 3}}"):
        assert not validator.is_valid(read_yaml(text)[0]), text
    for text in ("{}", "schedule: '@daily'", "inputs: {a: integer}", "run: {cpu: 0.5}", "tags: one"):
        assert validator.is_valid(read_yaml(text)[0]), text


LINKS = re.findall(r"/notebooks/run/(\w+)\?([^\s)\"]+)", (DOCS / "web.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("notebook", "query"), LINKS)
def test_each_link_to_an_example_fills_its_form_in(notebook: str, query: str) -> None:
    given = parse_qs(query, strict_parsing=True)
    values = {name: texts for name, texts in given.items() if name != "workspace" and "." not in name}
    example = load_catalogue([DOCS.parent / "include" / "notebooks"]).notebooks[notebook]
    assert example.resolve(values, "query").keys() >= values.keys()
    assert len(values) >= 1
