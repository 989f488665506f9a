"""The first rows of outputs that are tables, and what lies in their place."""

import pytest

from builders import RUN_ID, a_manifest, an_output
from daybook.contract.preview import TablePreview
from daybook.storage import open_store
from daybook.web import previews
from daybook.web.pages.run_view import MAX_PREVIEWS
from daybook.web.previews import preview_of, table_of

PARQUET = "application/vnd.apache.parquet"


def of(text, separators=",;\t|", is_whole=True):
    return table_of(text if isinstance(text, bytes) else text.encode(), separators, is_whole)


def test_a_plain_table_has_its_first_line_as_names():
    assert of('a,"b, c"\n1,"x\ny"\n') == TablePreview(
        columns=("a", "b, c"), head=(("1", "x\ny"),), rows=1, columns_in_all=2
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_what_separates_columns_is_found(separator):
    assert of(f"a{separator}b\n1{separator}2\n").columns == ("a", "b")


def test_of_a_longer_file_the_last_line_may_be_cut_and_is_left_out():
    found = of("a,b\n1,2\n3", is_whole=False)
    assert (found.head, found.rows) == ((("1", "2"),), None)


def test_many_rows_and_columns_and_long_cells_are_cut():
    found = of("\n".join([",".join(["y" * 500] * 50)] * 50))
    assert (len(found.columns), len(found.head), len(found.columns[0])) == (30, 20, 201)
    assert (found.rows, found.columns_in_all) == (49, 50)


@pytest.mark.parametrize(
    "content",
    [b"\x00\xff\xfe,\x80", b'"' * 1001, b'"never closed\n' * 100, b",,,\n", b"\xff\xfea\x00", "a,b\n".encode("utf-16")],
)
def test_whatever_the_bytes_are_there_is_a_table_or_none(content):
    found = of(content)
    assert found is None or found.columns


@pytest.mark.parametrize("content", [b"", b"\n\n", b'"' + b"x" * 200_000])
def test_what_holds_no_row_or_an_endless_cell_is_no_table(content):
    assert of(content) is None


def test_no_more_than_the_beginning_of_a_file_is_read(monkeypatch):
    store = open_store("memory:///")
    monkeypatch.setattr(previews, "BEGINNING_BYTES", 11)
    output = an_output("a.csv", size=1000)
    store.write(output.key, b"a,b\n" + b"1,2\n" * 249)
    found = preview_of(store, output)
    assert (found.head, found.rows) == ((("1", "2"),), None)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"columns": "x"}', b'{"columns": [[]]}', b"\xff"])
def test_what_lies_in_a_notes_place_is_a_note_or_nothing(content):
    store = open_store("memory:///")
    output = an_output("a.parquet", media_type=PARQUET, preview="previews/a.parquet.json")
    assert preview_of(store, output) is None
    store.write("previews/a.parquet.json", content)
    assert preview_of(store, output) is None


def test_a_note_that_is_larger_than_ours_is_cut_again():
    store = open_store("memory:///")
    output = an_output("a.parquet", media_type=PARQUET, preview="p.json")
    vast = TablePreview(columns=("x" * 1000,) * 100, head=(("y" * 1000,) * 100,) * 100)
    store.write("p.json", vast.model_dump_json()[: previews.PREVIEW_BYTES].encode())
    assert preview_of(store, output) is None, "it is larger than any of ours"
    store.write(
        "p.json", TablePreview(columns=("x" * 1000,) * 100, head=(("y" * 1000,) * 100,)).model_dump_json().encode()
    )
    found = preview_of(store, output)
    assert (len(found.columns), len(found.columns[0]), len(found.head[0]), len(found.head[0][0])) == (30, 201, 30, 201)


async def shown(client, path):
    answer = await client.get(path)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.anyio
async def test_the_page_shows_the_first_tables_and_leads_to_the_others(client, save):
    outputs = [an_output(f"{n}.csv", size=8) for n in range(MAX_PREVIEWS + 2)]
    path = save(a_manifest(outputs=tuple(outputs)), {each.key: b"<b>,c\n1,2\n" for each in outputs})
    page = await shown(client, path)
    assert page.count('class="data"') == MAX_PREVIEWS
    assert page.count("&lt;b&gt;") == MAX_PREVIEWS
    assert "<b>" not in page
    assert f'href="/runs/open/{RUN_ID}/preview/4.csv"' in page
    one = await shown(client, f"{path}/preview/4.csv")
    assert "&lt;b&gt;" in one
    assert "<b>" not in one
    assert "1 of 1 row." in one


@pytest.mark.anyio
async def test_a_parquet_file_is_shown_by_the_runners_note(client, save):
    output = an_output("a.parquet", media_type=PARQUET, preview="previews/a.parquet.json")
    note = TablePreview(columns=("n",), types=("int64",), head=(("7",), (None,)), rows=1000, columns_in_all=40)
    page = await shown(client, save(a_manifest(outputs=(output,)), {output.preview: note.model_dump_json().encode()}))
    for words in ("<small>int64</small>", "<td>7</td>", "null", "2 of 1000 rows, 1 of 40 columns."):
        assert words in page


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["a.bin", "none.csv", "gone.csv"])
async def test_what_has_no_first_rows_is_told(client, save, path):
    outputs = (an_output("a.bin", media_type="application/octet-stream"), an_output("gone.csv"))
    page = save(a_manifest(outputs=outputs))
    answer = await client.get(f"{page}/preview/{path}")
    assert answer.status_code == 404


@pytest.mark.anyio
async def test_a_note_with_fewer_types_than_columns_spoils_no_page(client, save):
    output = an_output("a.parquet", media_type=PARQUET, preview="p.json")
    note = TablePreview(columns=("n", "m"), types=("int64",), head=(("7",),))
    page = await shown(client, save(a_manifest(outputs=(output,)), {"p.json": note.model_dump_json().encode()}))
    assert "<td>7</td>" in page
