"""The page of a run: what it says of each state, and that nothing in a record can make it say or do anything else."""

import dataclasses
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import httpx
import pytest

from builders import RUN_ID, a_manifest, a_workspace, an_output
from daybook.contract import keys
from daybook.contract.manifest import (
    CellCounts,
    CellError,
    DatabricksRecord,
    Files,
    KernelRecord,
    NotebookRecord,
    Reason,
    ResourceUse,
    SparkRecord,
    State,
    Timings,
)
from daybook.contract.request import AirflowCoordinates
from daybook.storage import record_of
from daybook.web import headers
from daybook.web.app import create_app
from daybook.web.words import MAX_VALUE_CHARACTERS
from daybook.workspaces import Workspaces

pytestmark = pytest.mark.anyio

HERE = f"/runs/open/{RUN_ID}"
SHARED = ("#main", "/", "/runs", "/spark")


class Page(HTMLParser):
    """What a browser makes of a page: its visible text, and its tags with their attributes.

    Where names may break (`<wbr>`) changes nothing of them.
    """

    def __init__(self, text):
        super().__init__()
        self.tags, self._words, self._open = [], [], []
        self.feed(text.replace("<wbr>", ""))
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_data(self, data):
        if self._open[-1:] not in (["style"], ["title"]):
            self._words.append(data)

    def handle_endtag(self, tag):
        self._open.append("/" + tag)

    def links(self):
        """The links of the page itself, without those of the head that all pages share; without the run's own path."""
        return [link.removeprefix(f"{HERE}/") for link in self.all("a", "href") if link not in SHARED]

    def all(self, tag, attribute):
        return [attributes.get(attribute) for name, attributes in self.tags if name == tag]


async def page_of(client, path):
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert {name: answer.headers[name] for name in headers.PAGE} == headers.PAGE
    return Page(answer.text)


def unsealed(**changes):
    return a_manifest(sealed=False, sealed_by=None, exit_code=None, **changes)


async def test_a_run_that_succeeded_tells_its_results_and_where_its_files_are(client, save):
    manifest = a_manifest(
        outputs=(an_output("a b/ü#1.csv", size=1_234_567), an_output("plot.png", media_type="image/png")),
        spark=SparkRecord(version="4.3.0", application_id="app-1"),
        packages={"pandas": "2.3.3", "numpy": "2.0"},
        image="team/image:1",
        secrets={"token": "service-token"},
    )
    page = await page_of(client, save(manifest))
    for words in (
        "Delays of flights",
        "Workspace open",
        "succeeded took 12.0 s started 2026-11-23 01:02:04 UTC by alice",
        "mean_delay 12.3",
        "origin JFK minimum_delay 15 token the secret service-token",
        "5 of 5 succeeded",
        "python3 (python 3.11.7)",
        "4.3.0 app-1",
        "team/image:1",
        "a b/ü#1.csv first rows text/csv 1.2 MB",
        "2 packages numpy 2.0 pandas 2.3.3",
    ):
        assert words in page.text
    assert page.links() == [
        "notebook",
        "notebook.ipynb",
        "log",
        "manifest.json",
        "outputs/a%20b/%C3%BC%231.csv",
        "preview/a%20b/%C3%BC%231.csv",
        "outputs/plot.png",
        "outputs/plot.png",
    ]
    assert page.all("img", "src") == [f"{HERE}/outputs/plot.png"]
    assert page.all("img", "alt") == ["plot.png"]
    assert page.all("iframe", "src") == [f"{HERE}/notebook"]
    assert page.all("iframe", "sandbox") == ["allow-scripts"]


async def test_every_link_leads_somewhere(client, save):
    output = an_output("a b/ü#1%.csv")
    path = save(
        a_manifest(outputs=(output,)),
        dict.fromkeys(("notebook.html", "notebook.ipynb", "log.txt", output.key), b"x"),
    )
    page = await page_of(client, path)
    assert len(page.links()) == 6
    for link in page.links():
        assert (await client.get(f"{path}/{link}")).status_code == 200, link


async def test_a_run_that_failed_tells_where_and_why(client, save):
    manifest = a_manifest(
        state=State.FAILED,
        reason=Reason.CELL_ERROR,
        message="Cell 3 raised ValueError: no flights",
        exit_code=1,
        cells=CellCounts(total=5, succeeded=2, failed=1, not_run=2),
        error=CellError(cell=3, name="ValueError", value="no flights", source="raise", traceback="Traceback …"),
        results={},
    )
    page = await page_of(client, save(manifest))
    for words in (
        "failed · cell error",
        "Cell 3 raised ValueError: no flights",
        "Cell 3: ValueError: no flights raise Traceback …",
        "2 of 5 succeeded, 1 failed, 2 not run",
        "Nothing recorded.",
    ):
        assert words in page.text
    places = [page.text.index(each) for each in ("Traceback …", "Nothing recorded.", "Parameters")]
    assert places == sorted(places), "what went wrong comes first"


async def test_what_a_run_took_is_told(client, save):
    took = ResourceUse(
        cpu_seconds=75, peak_memory_bytes=1_500_000_000, memory_limit_bytes=2_000_000_000, bytes_out=1200
    )
    page = await page_of(client, save(a_manifest(resources=took)))
    assert "Processor 1 min 15 s Memory 1.5 GB of 2.0 GB at most Written 1.2 kB" in page.text


async def test_an_error_outside_of_any_cell_names_none(client, save):
    page = await page_of(client, save(a_manifest(state=State.FAILED, error=CellError(name="KernelDied"))))
    assert "KernelDied" in page.text
    assert "Cell" not in page.text.replace("Cells", "")


async def test_a_run_that_was_interrupted_tells_by_whom(client, save):
    manifest = a_manifest(
        state=State.INTERRUPTED,
        reason=Reason.CANCELLED,
        message="cancelled by alice",
        cells=CellCounts(total=5, succeeded=1, interrupted=1, not_run=3),
    )
    page = await page_of(client, save(manifest))
    assert "interrupted · cancelled" in page.text
    assert "cancelled by alice" in page.text
    assert "1 of 5 succeeded, 1 interrupted, 3 not run" in page.text


async def test_a_run_that_runs_tells_how_far_it_is(client, save):
    manifest = unsealed(
        state=State.RUNNING,
        cells=CellCounts(total=5, succeeded=2, current=3),
        timings=Timings(started_at="2026-11-23T01:02:04+00:00"),
        results={},
    )
    page = await page_of(client, save(manifest))
    assert "running started" in page.text
    assert "2 of 5 cells succeeded; cell 3 is running" in page.text
    assert "Nothing recorded yet." in page.text
    assert page.all("iframe", "src") == []


async def test_a_run_that_waits_has_hardly_anything_to_tell(client, save):
    manifest = unsealed(
        state=State.QUEUED, cells=CellCounts(), timings=Timings(), kernel=None, files=Files(), results={}, parameters={}
    )
    page = await page_of(client, save(manifest))
    assert "queued" in page.text
    assert "Parameters None." in page.text
    assert page.links() == [f"{HERE}?refresh=off", "manifest.json"]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("sealed", [True, False])
async def test_a_page_loads_itself_anew_only_while_its_run_is_not_sealed(client, save, state, sealed):
    page = await page_of(client, save(a_manifest(state=state, sealed=sealed)))
    assert page.all("meta", "http-equiv") == ([None, None, "refresh"] if not sealed else [None, None])
    followed = [each["data-events"] for _, each in page.tags if "data-events" in each]
    assert followed == ([] if sealed else [f"/api/v1{HERE}/events"])


async def test_loading_anew_can_be_paused_by_whoever_reads(client, save):
    path = save(unsealed(state=State.RUNNING))
    page = await page_of(client, path + "?refresh=off")
    assert "refresh" not in page.all("meta", "http-equiv")
    assert page.links()[0] == path
    assert not [each for tag, each in page.tags if "data-events" in each]


async def test_a_later_attempt_says_which_it_is(client, save):
    assert "Attempt 3" in (await page_of(client, save(a_manifest(attempt=3)))).text


async def test_a_run_of_airflow_leads_back_to_it(client, save):
    page = await page_of(client, save(a_manifest(airflow=AirflowCoordinates(dag_id="d", run_id="r", task_id="run"))))
    assert "/dags/d" in page.all("a", "href")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></pre><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raise %}",
    "javascript:alert(1)",
    "<!-- ",
    "&lt;b&gt;",
]


def hostile_manifest(text):
    return a_manifest(
        state=State.FAILED,
        reason=Reason.CELL_ERROR,
        message=text,
        notebook=NotebookRecord(id=text, title=text, source=text),
        workspace=text,
        user=text,
        parameters={text: text, "list": [text], "object": {text: text}},
        results={text: text, "list": [text], "object": {text: text}},
        secrets={text: text},
        error=CellError(cell=1, name=text, value=text, source=text, traceback=text),
        image=text,
        kernel=KernelRecord(name=text, language=text, language_version=text),
        spark=SparkRecord(application_id=text, version=text, remote=text, ui=text),
        packages={text: text},
        timings=Timings(started_at=text),
        outputs=(an_output(text, media_type="image/png"), an_output("x", media_type=text)),
    )


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_in_a_record_becomes_markup(client, save, bucket, text):
    async def page_with(words):
        for each in list(bucket.objects()):
            bucket.delete(each.key)
        save(hostile_manifest(words))
        return await page_of(client, save(hostile_manifest(words).model_copy(update={"attempt": 2})))

    harmless, hostile = await page_with("x"), await page_with(text)
    assert [tag for tag, _ in hostile.tags if tag not in ("dt", "dd")] == [
        tag for tag, _ in harmless.tags if tag not in ("dt", "dd")
    ]
    assert not {"object", "embed", "base"} & {tag for tag, _ in hostile.tags}
    assert hostile.all("form", "action") == harmless.all("form", "action") != []
    assert hostile.all("script", "src") == harmless.all("script", "src")
    attributes = {name for _, each in hostile.tags for name in each}
    assert attributes == {name for _, each in harmless.tags for name in each}
    assert hostile.text.count(" ".join(text.split())) >= 15
    assert all(not link.startswith(("javascript:", "//")) for link in hostile.all("a", "href"))


async def test_values_are_shown_as_json_and_text_as_it_is(client, save):
    results = {
        "text": "Zürich & <b>",
        "flag": True,
        "nothing": None,
        "list": ["é<", 1.5],
        "object": {"a": [1]},
        "big": 10**20,
    }
    page = await page_of(client, save(a_manifest(results=results)))
    for words in (
        "text Zürich & <b>",
        "flag true",
        "nothing null",
        'list ["é<", 1.5]',
        'object {"a": [1]}',
        "big 100000000000000000000",
    ):
        assert words in page.text


async def test_a_very_long_value_is_cut_and_its_length_told(client, save):
    page = await page_of(client, save(a_manifest(results={"long": "x" * (MAX_VALUE_CHARACTERS + 1)})))
    assert f"{'x' * MAX_VALUE_CHARACTERS}… ({MAX_VALUE_CHARACTERS + 1} characters)" in page.text


async def test_moments_that_are_none_are_shown_as_they_are(client, save):
    page = await page_of(client, save(a_manifest(timings=Timings(started_at="yesterday", duration_seconds=None))))
    assert "started yesterday" in page.text


async def test_the_bar_of_cells_adds_up(client, save):
    manifest = unsealed(state=State.RUNNING, cells=CellCounts(total=9, succeeded=3, failed=1, skipped=1, current=5))
    text = (await client.get(save(manifest))).text
    assert sum(int(share) for share in re.findall(r'style="flex: (\d+)"', text)) == 9


async def test_the_page_has_no_scripts_but_its_own_files(client, save):
    page = await page_of(client, save(a_manifest()))
    assert not [name for _, each in page.tags for name in each if name.startswith("on")]
    assert [each.partition("?")[0] for each in page.all("script", "src")] == ["/static/frame.js", "/static/run.js"]


async def test_the_end_of_the_log_is_shown_and_leads_to_all_of_it(client, save):
    log = "".join(f"line {n} <b>\n" for n in range(300)).encode()
    page = await page_of(client, save(a_manifest(state=State.FAILED), {"log.txt": log}))
    assert "line 99 <b>" not in page.text
    assert "line 100 <b> line 101 <b>" in page.text
    assert "The last lines; all of it ." in page.text
    assert "b" not in {tag for tag, _ in page.tags}


async def test_of_a_very_long_log_only_the_end_is_read(client, save, monkeypatch):
    monkeypatch.setattr("daybook.web.pages.run_view.LOG_BYTES", 25)
    page = await page_of(
        client, save(a_manifest(state=State.FAILED), {"log.txt": b"0123456789\nabcdefghij\nZ\xc3\xbcrich\xff"})
    )
    assert "abcdefghij Zürich\ufffd" in page.text
    assert "9" not in page.text.partition("Log")[2].partition("The last lines")[0]


async def test_a_log_that_is_empty_or_gone_is_no_harm(client, save):
    path = save(a_manifest(state=State.FAILED))
    assert "The end of the log" not in (await client.get(path)).text
    save(a_manifest(state=State.FAILED), {"log.txt": b""})
    assert (await client.get(path)).status_code == 200


async def test_earlier_attempts_are_listed_with_how_they_ended_and_their_files(client, save):
    first = a_manifest(state=State.LOST, reason=Reason.POD_GONE, message="the pod <i>went</i>", sealed_by="operator")
    save(first, {"log.txt": b"first log", "notebook.html": b"first page", "notebook.ipynb": b"{}"})
    path = save(a_manifest(attempt=2, files=Files(log="attempts/2/log.txt")), {"attempts/2/log.txt": b"second log"})
    page = await page_of(client, path)
    ended = "Attempt 1 lost · pod gone started 2026-11-23 01:02:04 UTC, took 12.0 s notebook log manifest"
    assert f"{ended} the pod <i>went</i>" in page.text
    assert {"attempts/1/notebook", "attempts/1/log", "attempts/1/manifest.json"} <= set(page.links())
    assert (await client.get(f"{path}/attempts/1/log")).text == "first log"
    assert (await client.get(f"{path}/attempts/2/log")).text == "second log"
    assert (await client.get(f"{path}/attempts/1/notebook")).headers["content-security-policy"].startswith("sandbox")
    assert (await client.get(f"{path}/attempts/1/notebook.ipynb")).text == "{}"
    assert (await client.get(f"{path}/attempts/1/manifest.json")).json()["state"] == "lost"
    for none in ("0", "3", "-1"):
        assert (await client.get(f"{path}/attempts/{none}/log")).status_code == 404


async def test_of_very_many_outputs_the_first_are_listed_and_their_number_told(client, save, monkeypatch):
    monkeypatch.setattr("daybook.web.pages.run_view.MAX_LISTED", 3)
    many = [an_output(f"cube.zarr/{n}", media_type="application/octet-stream") for n in range(5)]
    page = await page_of(client, save(a_manifest(outputs=many)))
    assert [link for link in page.links() if "zarr" in link] == [f"outputs/cube.zarr/{n}" for n in range(3)]
    assert "The first 3 of 5 files; the manifest names all." in page.text
    record = a_manifest(attempt=2, outputs=many[:3])
    assert "The first" not in (await page_of(client, save(record))).text


async def test_pictures_are_shown_up_to_a_size_and_a_number(client, save):
    small = [an_output(f"{n}.png", media_type="image/png") for n in range(30)]
    large = an_output("large.png", media_type="image/png", size=50_000_000)
    page = await page_of(client, save(a_manifest(outputs=(large, *small))))
    assert page.all("img", "src") == [f"{HERE}/outputs/{n}.png" for n in range(24)]
    assert page.all("img", "loading") == ["lazy"] * 24
    assert "outputs/large.png" in page.links()


@pytest.mark.parametrize(
    ("template", "link"),
    [
        (
            "https://lab.test/{workspace}?run={run_id}&n={notebook}",
            f"https://lab.test/open?run={RUN_ID}&n=a%2Fb%26c%3D%7Burl%7D",
        ),
        (
            "https://lab.test/?url={url}",
            f"https://lab.test/?url=https%3A%2F%2Fdaybook.test%2Fruns%2Fopen%2F{RUN_ID}%2Fnotebook.ipynb",
        ),
        (
            "https://hub.test/hub/user-redirect/lab/tree/mine/{path}#lab.test",
            f"https://hub.test/hub/user-redirect/lab/tree/mine/runs/{RUN_ID[:4]}/{RUN_ID[4:6]}/{RUN_ID[6:8]}/{RUN_ID}"
            "/notebook.ipynb#lab.test",
        ),
        (None, None),
    ],
)
async def test_a_link_to_jupyterlab_is_made_from_the_settings_template(world, save, template, link):
    settings = dataclasses.replace(world.settings, jupyter_link=template, public_url="https://daybook.test")
    path = save(a_manifest(notebook=NotebookRecord(id="a/b&c={url}", source="x")))
    app = create_app(dataclasses.replace(world, settings=settings))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as bob:
        found = [each for each in (await page_of(bob, path)).links() if "lab.test" in each]
    assert found == ([link] if link else [])


async def test_the_expected_time_is_shown_while_it_runs(client, save, monkeypatch):
    monkeypatch.setattr("daybook.web.history.History.expected_seconds", lambda *_: 90.0)
    save(a_manifest(state=State.RUNNING, sealed=False, timings=Timings(started_at=datetime.now(UTC).isoformat())))
    text = (await page_of(client, HERE)).text
    assert re.search(r"for \d\.\d s of about 1 min 30 s", text)
    assert "about" not in (await page_of(client, save(a_manifest()))).text


async def test_no_picture_of_a_record_makes_a_browser_ask_for_another_address(client, bucket, save):
    path = save(a_manifest(outputs=(an_output("x.png", media_type="image/png"),)))
    record = record_of(bucket, RUN_ID).store
    record.write(keys.MANIFEST, record.read(keys.MANIFEST).replace(b'"x.png"', b'"../../../../auth/logout"'))
    assert "logout" not in (await client.get(path)).text


@pytest.mark.parametrize(
    "changes",
    [
        {"timings": Timings(duration_seconds=float("nan"), started_at="0001-01-01T00:00:00+23:00")},
        {"timings": Timings(duration_seconds=float("inf"), started_at="9999-12-31T23:00:00-23:00")},
        {"outputs": (an_output("a", size=10**400),)},
        {"resources": ResourceUse(peak_memory_bytes=10**400, cpu_seconds=float("nan"))},
        {"parameters": {"minimum_delay": float("inf"), "origin": 10**400}},
    ],
)
async def test_numbers_that_nobody_counts_with_spoil_no_page(client, bucket, save, changes):
    path = save(a_manifest())
    text = a_manifest(**changes).model_dump_json(indent=2)
    record_of(bucket, RUN_ID).store.write(keys.MANIFEST, text.encode())
    assert (await client.get(path)).status_code == 200
    assert (await client.get(f"/runs/compare?a=open/{RUN_ID}&b=open/{RUN_ID}")).status_code == 200


async def test_the_page_names_the_workspace_in_whose_bucket_the_record_lies(client, save):
    assert "Workspace open" in (await page_of(client, save(a_manifest(workspace="closed")))).text


@pytest.mark.parametrize(
    ("cluster", "link"),
    [
        ("1126-1-a", "https://ours.databricks.com/#setting/sparkui/1126-1-a/driver-logs"),
        ("../1126' onclick='x", None),
        (None, None),
    ],
)
async def test_the_drivers_log_is_where_the_workspace_says_and_not_where_the_record_does(world, save, cluster, link):
    databricks = {"host": "https://ours.databricks.com", "cluster_id": "x", "token": {"name": "d", "key": "t"}}
    ours = Workspaces(workspaces=(a_workspace(name="open", databricks=databricks),))
    app = create_app(dataclasses.replace(world, workspaces=lambda: ours))
    told = DatabricksRecord(
        host="https://evil.example", cluster_id=cluster, driver_log="https://evil.example/", runtime_version="15.4.x"
    )
    path = save(a_manifest(databricks=told))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://daybook.test", headers={"Authorization": "Bearer bob"}
    ) as bob:
        page = await page_of(bob, path)
    assert [each for each in page.links() if "databricks" in each or "evil" in each] == ([link] if link else [])
    assert (f"cluster {cluster}, runtime 15.4.x" in page.text) == (cluster is not None)
