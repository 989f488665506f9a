"""The JSON list that the EO DataHub's runner reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daybook.catalogue import Catalogue, load_catalogue
from daybook.contract.errors import InvalidRequest

SENTINEL = "https://eodatahub.example/api/catalogue/stac/collections/sentinel2_ard"
SAMPLE: list[dict[str, Any]] = [
    {
        "id": "ndvi_calculation",
        "type": "notebook",
        "file": "notebooks/ndvi_calculation.ipynb",
        "title": "NDVI calculation",
        "description": "Performs NDVI calculation on the selected COG asset.",
        "collections": [SENTINEL],
        "markdown_file": "notebooks/ndvi_calculation.md",
        "inputSpec": {"cog_url": "singleUrl", "bbox": "bbox"},
        "thumbnail": "ndvi.png",
    },
    {
        "id": "mean_value_calculation",
        "type": "notebook",
        "file": "https://raw.example/notebooks/mean_value_calculation.ipynb",
        "title": "Mean value calculation",
        "description": "Calculates the mean value of the selected COG assets.",
        "collections": [SENTINEL],
        "minItems": 2,
        "maxItems": 3,
        "markdown_file": "https://raw.example/notebooks/mean_value_calculation.md",
        "inputSpec": {"input_cogs": "urlList", "bbox": "bbox"},
    },
    {"id": "cog-preview", "type": "notebook", "file": "notebooks/preview.ipynb"},
    {"id": "lst-min-max", "type": "workflow", "title": "Land surface temperature", "description": "A CWL workflow."},
]
URLS = ["https://a.example/1.tif", "https://a.example/2.tif"]
BOX = [-1.5, 50, 1.5, 52]

Load = Callable[..., Catalogue]


@pytest.fixture
def load(tmp_path: Path, notebook_json: Callable[..., str]) -> Load:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "ndvi_calculation.ipynb").write_text(notebook_json())
    (folder / "ndvi_calculation.md").write_text("# NDVI", encoding="utf-8")
    (folder / "preview.ipynb").write_text(notebook_json("cog_url = 'https://a.example/1.tif'"))

    def write(content: Any) -> Catalogue:
        path = tmp_path / "catalogue.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), encoding="utf-8")
        return load_catalogue([path])

    return write


def test_a_real_list_is_read_whole(load: Load, tmp_path: Path) -> None:
    catalogue = load(SAMPLE)
    assert catalogue.broken == ()
    assert list(catalogue.notebooks) == ["ndvi_calculation", "mean_value_calculation", "cog-preview"]
    ndvi = catalogue.get("ndvi_calculation")
    assert ndvi.source == str(tmp_path / "notebooks" / "ndvi_calculation.ipynb")
    assert (ndvi.title, ndvi.markdown, ndvi.collections) == ("NDVI calculation", "# NDVI", (SENTINEL,))
    assert [(item.name, item.type, item.is_required) for item in ndvi.inputs] == [
        ("cog_url", "url", True),
        ("bbox", "bbox", True),
    ]
    mean = catalogue.get("mean_value_calculation")
    assert mean.source == SAMPLE[1]["file"]
    assert mean.markdown == f"[Mean value calculation]({SAMPLE[1]['markdown_file']})"
    assert catalogue.get("cog-preview").inputs_inferred


def test_counts_hold_for_url_lists(load: Load) -> None:
    mean = load(SAMPLE).get("mean_value_calculation")
    assert mean.resolve({"input_cogs": URLS, "bbox": BOX})["input_cogs"] == URLS
    for urls in (URLS[:1], URLS * 2):
        with pytest.raises(InvalidRequest, match=r"at (least 2|most 3) items"):
            mean.resolve({"input_cogs": urls, "bbox": BOX})


def test_what_the_original_lets_through_is_refused(load: Load) -> None:
    ndvi = load(SAMPLE).get("ndvi_calculation")
    with pytest.raises(InvalidRequest) as caught:
        ndvi.resolve({"cog_url": ["not a url"], "bbox": ["nan,50,1,52"]}, "query")
    assert {fault.where for fault in caught.value.faults} == {"cog_url", "bbox.west"}


def test_a_link_gives_typed_values(load: Load) -> None:
    ndvi = load(SAMPLE).get("ndvi_calculation")
    assert ndvi.resolve({"cog_url": ["s3://b/k.tif"], "bbox": ["-1.5,50,1.5,52"]}, "query") == {
        "cog_url": "s3://b/k.tif",
        "bbox": [-1.5, 50.0, 1.5, 52.0],
    }


def test_a_workflow_is_listed_and_said_not_to_run(load: Load) -> None:
    catalogue = load(SAMPLE)
    assert catalogue.not_runnable["lst-min-max"].title == "Land surface temperature"
    with pytest.raises(InvalidRequest, match="'lst-min-max' cannot be run: it is a workflow"):
        catalogue.get("lst-min-max")


def changed(**members: Any) -> list[dict[str, Any]]:
    return [{key: value for key, value in {**SAMPLE[0], **members}.items() if value is not ...}, SAMPLE[1]]


@pytest.mark.parametrize(
    ("members", "where", "part"),
    [
        ({"type": "notbook"}, "type", "did you mean 'notebook'?"),
        ({"type": ...}, "type", "is missing"),
        ({"file": ...}, "file", "is missing"),
        ({"file": "../ndvi.ipynb"}, "file", "cannot be read"),
        ({"file": "/etc/passwd"}, "file", "relative"),
        ({"file": "notebooks/missing.ipynb"}, "file", "No such file"),
        ({"file": "https://user:pw@a.example/n.ipynb"}, "file", "credentials"),
        ({"markdown_file": "missing.md"}, "markdown_file", "No such file"),
        ({"inputSpec": {"cog_url": "singleURL"}}, "inputSpec.cog_url", "did you mean 'singleUrl'?"),
        ({"inputSpec": {"cog-url": "singleUrl"}}, "inputSpec.cog-url", "letters, digits"),
        ({"inputSpec": ["cog_url"]}, "inputSpec", "must be a mapping"),
        ({"minItems": 3, "maxItems": 2}, "minItems", "above maxItems"),
        ({"minItems": "2"}, "minItems", "must be a whole number"),
        ({"collections": 5}, "collections", "list of texts"),
        ({"id": "a b"}, "id", "letters, digits"),
    ],
)
def test_a_fault_is_named_with_its_line(load: Load, members: dict[str, Any], where: str, part: str) -> None:
    catalogue = load(changed(**members))
    assert list(catalogue.notebooks) == ["mean_value_calculation"]
    (found,) = catalogue.broken
    assert found.id == members.get("id", "ndvi_calculation")
    assert found.line is not None
    assert 2 <= found.line <= 20
    (fault,) = found.faults
    assert fault.where == f"{where} (line {found.line})"
    assert part in fault.message


def test_the_line_is_the_entrys_own(load: Load, tmp_path: Path) -> None:
    catalogue = load([*SAMPLE[:3], {"id": "x", "type": "notebook", "file": "notebooks/preview.ipynb", "minItems": "2"}])
    (found,) = catalogue.broken
    assert found.line is not None
    assert '"minItems": "2"' in (tmp_path / "catalogue.json").read_text().split("\n")[found.line - 1]


@pytest.mark.parametrize("data", [5, None, [], {}, {"id": 5}])
def test_an_entry_without_an_id_is_named_by_its_place(load: Load, data: Any) -> None:
    catalogue = load([SAMPLE[2], data])
    assert list(catalogue.notebooks) == ["cog-preview"]
    assert catalogue.broken[0].id == "catalogue.json[1]"


@pytest.mark.parametrize(("content", "line"), [("[\n{]", 2), ("{}", 1), ("", 1)])
def test_a_file_that_is_no_list_is_one_broken_entry(load: Load, content: str, line: int) -> None:
    (found,) = load(content).broken
    assert (found.id, found.line) == ("catalogue.json", line)
