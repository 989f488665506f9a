"""`ndvi_calculation` and `band_statistics` on the synthetic scene: from a file, over HTTP, and made on the spot."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds

from daybook.contract.errors import ExitCode, InvalidRequest

# rasterio 1.4 multiplies its transforms as affine 3 would rather not have it.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

NOTEBOOK = "notebooks/ndvi_calculation/notebook.ipynb"
STATISTICS = "eodatahub/band_statistics.ipynb"
MAKE_SCENE = Path(__file__).parents[2] / "scripts" / "make_scene.py"
BBOX = [-4.42, 53.17, -4.40, 53.18]
OUTSIDE = [10.0, 40.0, 11.0, 41.0]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A scene as the script writes it, four times as many pixels as by default."""
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    subprocess.run([sys.executable, str(MAKE_SCENE), str(path), "--size", "1024"], check=True, capture_output=True)
    return path


@contextmanager
def served(content: bytes) -> Iterator[tuple[str, list[int]]]:
    """Serves bytes, in ranges, as buckets do; gives the URL and the lengths of the answers."""
    sent: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(200, b"", len(content))

        def do_GET(self) -> None:
            if self.path != "/scene.tif":
                self.answer(404, b"", 0)
                return
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
            first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
            part = content[first : last + 1]
            sent.append(len(part))
            self.answer(206, part, len(part), f"bytes {first}-{last}/{len(content)}")

        def answer(self, status: int, body: bytes, length: int, content_range: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(length))
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/scene.tif", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_over_http_only_the_part_inside_the_box_is_fetched(execute, scene):
    with served(scene.read_bytes()) as (url, sent):
        run = execute(NOTEBOOK, {"NO_PROXY": "127.0.0.1"}, cog_url=url, bbox=BBOX)
    assert run.exit_code == ExitCode.SUCCEEDED, run.said
    assert {each.path for each in run.manifest.outputs} == {"ndvi.tif", "ndvi.png"}
    assert run.complaints == []
    assert run.pictures == 1
    assert 0 < sum(sent) < 0.2 * scene.stat().st_size
    assert run.manifest.results["bbox"] == BBOX
    assert run.manifest.results["synthetic"] is True


def test_pixels_are_those_of_the_scene_and_cover_the_box(cells, results, scene, tmp_path):
    cells(NOTEBOOK, cog_url=scene.as_uri(), bbox=BBOX)
    with rasterio.open(tmp_path / "ndvi.tif") as made, rasterio.open(scene) as source:
        red, nir = source.read(window=from_bounds(*made.bounds, source.transform)).astype("float64")
        box = transform_bounds("EPSG:4326", made.crs, *BBOX)
        ndvi = made.read(1)
        assert made.bounds.left <= box[0] < box[2] <= made.bounds.right
        assert made.bounds.bottom <= box[1] < box[3] <= made.bounds.top
        assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert made.tags()["SYNTHETIC"] == "yes"
    np.testing.assert_allclose(ndvi, (nir - red) / (nir + red), atol=1e-6)
    assert results()["ndvi_min"] == pytest.approx(ndvi.min(), abs=1e-4)
    assert results()["ndvi_mean"] == pytest.approx(ndvi.mean(), abs=1e-4)
    assert results()["ndvi_max"] == pytest.approx(ndvi.max(), abs=1e-4)


def test_without_a_url_it_says_that_the_scene_is_synthetic(cells, results, capsys):
    cells(NOTEBOOK)
    assert "synthetic" in capsys.readouterr().out
    assert results()["synthetic"] is True
    assert 0.9 < results()["valid_share"] < 1  # the strip without data is left out
    assert -0.5 < results()["ndvi_min"] < results()["ndvi_mean"] < results()["ndvi_max"] < 1


def test_a_box_that_sticks_out_is_cut_to_the_scene(cells, results, scene):
    names = cells(NOTEBOOK, until="ndvi", cog_url=scene.as_uri(), bbox=[-5, 53.2, -4.4, 54])
    west, south, east, north = results()["bbox"]
    assert (south, east) == (53.2, -4.4)
    assert -4.5 < west < -4.4
    assert 53.2 < north < 53.3
    assert (names["window"].col_off, names["window"].row_off) == (0, 0)


@pytest.mark.parametrize(
    ("bbox", "message"),
    [
        (OUTSIDE, "misses the scene, which covers west -4.45"),
        ([-4.4, 53.3, -4.3, 53.4], "misses the scene"),
        ([170.0, -10.0, -170.0, 10.0], "crosses the antimeridian"),
        ([-4.298, 53.15, -4.2975, 53.1505], "there are no data inside the box"),
    ],
)
def test_a_box_without_pixels_is_a_clear_error(cells, scene, bbox, message):
    with pytest.raises(ValueError, match=message):
        cells(NOTEBOOK, cog_url=scene.as_uri(), bbox=bbox)


def test_a_box_outside_fails_the_run_with_that_message(execute, scene):
    run = execute(NOTEBOOK, cog_url=scene.as_uri(), bbox=OUTSIDE)
    assert run.exit_code == ExitCode.NOTEBOOK_FAILED
    assert "misses the scene" in run.manifest.error.value


def test_what_cannot_be_opened_is_named(cells, tmp_path):
    (tmp_path / "text.tif").write_text("no raster")
    for url in (f"file://{tmp_path}/none.tif", f"file://{tmp_path}/text.tif"):
        with pytest.raises(ValueError, match=re.escape(f"cog_url cannot be opened as a raster: {url}")):
            cells(NOTEBOOK, cog_url=url)


def test_a_url_that_answers_not_found_is_named(cells, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(b"") as (url, _), pytest.raises(ValueError, match=r"cog_url cannot be opened .*none\.tif"):
        cells(NOTEBOOK, cog_url=url.replace("scene", "none"))


def test_one_band_is_not_enough(cells, tmp_path):
    place = {"crs": "EPSG:32630", "transform": from_origin(403_000, 5_900_000, 20, 20)}
    with rasterio.open(
        tmp_path / "one.tif", "w", driver="GTiff", width=64, height=64, count=1, dtype="uint16", **place
    ) as f:
        f.write(np.ones((1, 64, 64), "uint16"))
    with pytest.raises(ValueError, match="has 1 band; NDVI needs two"):
        cells(NOTEBOOK, cog_url=(tmp_path / "one.tif").as_uri())


def test_bands_are_found_by_their_names(cells, scene, tmp_path):
    with rasterio.open(scene) as source:
        profile, (red, nir) = source.profile, source.read()
    with rasterio.open(tmp_path / "swapped.tif", "w", **profile) as file:
        file.write(np.stack([nir, red]))
        file.descriptions = ("NIR", "Red")
    assert cells(NOTEBOOK, until="window", cog_url=(tmp_path / "swapped.tif").as_uri())["numbers"] == [2, 1]


def test_pixels_without_data_in_one_band_are_left_out(cells, results, scene, tmp_path):
    with rasterio.open(scene) as source:
        profile, bands = {**source.profile, "nodata": 65535}, source.read()
    bands[0, :512] = 65535
    with rasterio.open(tmp_path / "half.tif", "w", **profile) as file:
        file.write(bands)
    cells(NOTEBOOK, cog_url=(tmp_path / "half.tif").as_uri())
    with rasterio.open(tmp_path / "ndvi.tif") as made:
        ndvi = made.read(1)
    assert np.isnan(ndvi[:512]).all()
    assert results()["valid_share"] == pytest.approx(np.isfinite(ndvi).mean(), abs=1e-4)


def test_a_box_too_large_to_hold_is_refused(cells, tmp_path):
    with rasterio.open(
        tmp_path / "large.tif",
        "w",
        driver="GTiff",
        width=10_000,
        height=10_000,
        count=2,
        dtype="uint8",
        sparse_ok=True,
        crs="EPSG:32630",
        transform=from_origin(403_000, 5_900_000, 10, 10),
    ):
        pass
    with pytest.raises(ValueError, match="100,000,000 pixels, and this notebook takes 50,000,000"):
        cells(NOTEBOOK, cog_url=(tmp_path / "large.tif").as_uri())


def test_values_that_do_not_fit_are_refused_together(execute):
    with pytest.raises(InvalidRequest) as refused:
        execute(NOTEBOOK, cog_url="ftp://example.org/a.tif", bbox=[1, 2, 3])
    assert {fault.where for fault in refused.value.faults} == {"cog_url", "bbox"}


def test_the_script_writes_the_scene_of_the_notebook(cells, tmp_path):
    subprocess.run([sys.executable, str(MAKE_SCENE), str(tmp_path / "scene.tif")], check=True, capture_output=True)
    names = cells(NOTEBOOK, until="open")
    with rasterio.open(tmp_path / "scene.tif") as written:
        assert (tmp_path / "scene.tif").stat().st_size < 1_000_000
        assert written.tags()["SYNTHETIC"] == "yes"
        np.testing.assert_array_equal(written.read(), names["scene"].read())


def test_band_statistics_are_those_of_numpy(cells, results, scene, tmp_path):
    names = cells(STATISTICS, cog_url=scene.as_uri(), bbox=BBOX)
    found = pd.read_csv(tmp_path / "statistics.csv", index_col="band")
    assert found.index.tolist() == ["red", "nir"]
    assert found.loc["nir", "mean"] == pytest.approx(names["bands"][1].compressed().mean(), abs=1e-3)
    assert results()["pixels"] == names["bands"][0].size
    with pytest.raises(ValueError, match="misses the scene"):
        cells(STATISTICS, cog_url=scene.as_uri(), bbox=OUTSIDE)
