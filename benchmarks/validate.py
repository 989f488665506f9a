"""Checking a request as the pages and the API do: milliseconds, beside what Airflow checks of the same values."""

import statistics

from airflow.sdk.definitions.param import ParamsDict
from measure import in_turns, keep, medians, ratios, rounds_wanted, seconds, table
from pod_build import NOTEBOOK, WORKSPACE

from daybook.catalogue import Catalogue
from daybook.on_airflow.params import params_of
from daybook.storage import open_store
from daybook.web.app import create_app
from daybook.web.asking import Wish, check
from daybook.web.world import World
from daybook.workspaces import Identity, Workspaces

CALLS = 200
TARGET_MS = 5.0
BY_JSON, BY_FORM, PEER = "Daybook: a program's request", "Daybook: a form's", "Airflow: its Params alone"

ADA = Identity("ada", frozenset({"eo"}))
VALUES = {"origin": "LGA", "minimum": 3, "day": "2013-02-01", "area": [-10, 40, 10, 60], "token": "service"}
TEXTS = {"origin": ["LGA"], "minimum": ["3"], "day": ["2013-02-01"], "area": ["-10,40,10,60"], "token": ["service"]}
SETTINGS = {"memory": "16Gi", "timeout_seconds": 7200}


def milliseconds(work) -> float:
    """The median of many calls."""
    return statistics.median(seconds(work) for _ in range(CALLS)) * 1000


def main() -> None:
    """Measures, prints, keeps."""
    others = [WORKSPACE.model_copy(update={"name": f"other{n}"}) for n in range(9)]
    catalogue, workspaces = (
        Catalogue({NOTEBOOK.id: NOTEBOOK}, {}, ()),
        Workspaces.model_construct(workspaces=(WORKSPACE, *others)),
    )
    world = World(
        user=None,
        workspaces=lambda: workspaces,
        bucket=lambda _: open_store("memory:///"),
        login_url=str,
        airflow_url=lambda _: None,
        catalogue=lambda: catalogue,
        key=b"k" * 32,
    )
    site = create_app(world).state.site
    wishes = {
        BY_JSON: Wish(NOTEBOOK.id, VALUES, "json", "research", SETTINGS),
        BY_FORM: Wish(NOTEBOOK.id, TEXTS, "form", "research", SETTINGS),
    }
    params = params_of(NOTEBOOK, [each.name for each in workspaces])

    def by_airflow() -> None:
        given = ParamsDict(params)
        given.update({**VALUES, "workspace": "research", "run_settings": SETTINGS})
        given.validate()

    works = {**{name: lambda wish=wish: check(site, ADA, wish) for name, wish in wishes.items()}, PEER: by_airflow}
    found = in_turns(
        {name: lambda work=work: milliseconds(work) for name, work in works.items()}, rounds_wanted(), warm_up=True
    )
    figures = medians(found)
    title = f"Checking a request, median of {CALLS} calls a round; wanted are less than {TARGET_MS:g} ms"
    table(title, "ms", figures, PEER, ratios(found, PEER))
    keep("validate", {"unit": "ms", "target": TARGET_MS, "all": found, "medians": figures})


if __name__ == "__main__":
    main()
