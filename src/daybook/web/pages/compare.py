"""The page that shows two runs beside one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from daybook.contract.differences import ABSENT, Comparison, differences
from daybook.contract.manifest import Manifest, Output
from daybook.web.runs import INLINE_IMAGES, NO_SUCH_RUN, Run, open_run
from daybook.web.site import Here, Site, User
from daybook.web.words import duration_for_people, value_for_people, when_for_people
from daybook.workspaces import Identity

router = APIRouter()

_TECHNICAL = {"notebook": "Notebook (SHA-256)", "image": "Image", "image_digest": "Image digest", "kernel": "Kernel"}


@dataclass(frozen=True)
class Line:
    """One thing of both runs, as people read it; None where a run does not have it."""

    name: str
    a: str | None
    b: str | None
    differs: bool


@dataclass(frozen=True)
class Picture:
    """An image that both runs have under one path."""

    path: str
    a: str
    b: str
    differs: bool


@router.get("/runs/compare", include_in_schema=False)
def page(
    site: Here, user: User, a: str = "", b: str = "", run: Annotated[list[str] | None, Query(max_length=100)] = None
) -> Response:
    """Two runs, by `a` and `b`, or by `run` twice as the list of runs asks; each is `workspace/run_id`."""
    # The list has the newest first; people look from the older to the newer.
    chosen = [each for each in (a, b) if each] or list(reversed(run or []))
    if len(chosen) != 2:
        return site.page("compare_choose.html", status=400, here="runs", user=user.user, count=len(chosen))
    one, other = (_opened(site, user, each) for each in chosen)
    found = differences(one.manifest, other.manifest)
    return site.page(
        "compare.html",
        here="runs",
        user=user.user,
        runs=(one, other),
        parameters=[*_lines("parameter", found, one.manifest.parameters, other.manifest.parameters), *_secrets(found)],
        results=list(_lines("result", found, one.manifest.results, other.manifest.results)),
        timings=list(_timings(one.manifest, other.manifest)),
        technical=list(_technical(one.manifest, other.manifest, found)),
        packages=list(_differing("package", found)),
        same_packages=len(one.manifest.packages.keys() & other.manifest.packages.keys())
        - sum(1 for each in found.differences if each.what == "package" and ABSENT not in (each.then, each.now)),
        unknown=found.unknown,
        pictures=list(_pictures(one, other)),
        files=list(_files(one, other)),
    )


def _opened(site: Site, user: Identity, text: str) -> Run:
    """A run that the asking user may see; everything else gets one answer."""
    workspace, slash, run_id = text.partition("/")
    if not slash:
        raise HTTPException(404, NO_SUCH_RUN)
    return open_run(site, user, workspace, run_id)


def _lines(what: str, found: Comparison, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Line]:
    differing = {each.name for each in found.differences if each.what == what}
    for name in dict.fromkeys((*a, *b)):
        yield Line(name, _shown(a.get(name, ABSENT)), _shown(b.get(name, ABSENT)), name in differing)


def _differing(what: str, found: Comparison) -> Iterator[Line]:
    for each in found.differences:
        if each.what == what:
            yield Line(each.name, _shown(each.then), _shown(each.now), differs=True)


def _secrets(found: Comparison) -> list[Line]:
    """Secret inputs that came from different keys; what they hold nobody is told."""
    return list(_differing("secret", found))


def _technical(a: Manifest, b: Manifest, found: Comparison) -> Iterator[Line]:
    kernel = [f"{m.kernel.name} {m.kernel.language_version or ''}".strip() if m.kernel else None for m in (a, b)]
    given = {
        "notebook": (a.notebook.sha256, b.notebook.sha256),
        "image": (a.image, b.image),
        "image_digest": (a.image_digest, b.image_digest),
        "kernel": (kernel[0], kernel[1]),
    }
    differing = {each.what for each in found.differences}
    for what, (one, other) in given.items():
        if one is not None or other is not None:
            yield Line(_TECHNICAL[what], one, other, what in differing)


def _timings(a: Manifest, b: Manifest) -> Iterator[Line]:
    """Times always differ, so none is marked."""
    yield Line("Started", when_for_people(a.timings.started_at), when_for_people(b.timings.started_at), differs=False)
    took = [duration_for_people(each.timings.duration_seconds) for each in (a, b)]
    yield Line("Took", took[0], took[1], differs=False)


def _pictures(a: Run, b: Run) -> Iterator[Picture]:
    others = {each.path: each for each in b.manifest.outputs if each.media_type in INLINE_IMAGES}
    for each in a.manifest.outputs:
        other = others.get(each.path)
        if other is not None and each.media_type in INLINE_IMAGES:
            yield Picture(each.path, _address(a, each), _address(b, other), each.sha256 != other.sha256)


def _address(run: Run, output: Output) -> str:
    return f"{run.workspace.name}/{run.manifest.run_id}/outputs/{output.path}"


def _files(a: Run, b: Run) -> Iterator[Line]:
    """Outputs that only one of them has, or that differ; of the others nothing is to be told."""
    one, other = ({each.path: each for each in run.manifest.outputs} for run in (a, b))
    for path in sorted({*one, *other}):
        left, right = one.get(path), other.get(path)
        same = left is not None and right is not None and left.sha256 == right.sha256
        yield Line(path, _size(left), _size(right), not same)


def _size(output: Output | None) -> str | None:
    return None if output is None else f"{output.size:,} bytes"


def _shown(value: Any) -> str | None:
    return None if value is ABSENT else value_for_people(value)
