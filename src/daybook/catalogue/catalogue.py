"""All entries of all catalogue folders and lists, as they are on disk now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from daybook.catalogue.broken import Broken, BrokenEntry
from daybook.catalogue.eodatahub import load_list
from daybook.catalogue.folder import Loaded, load_folder
from daybook.catalogue.model import FoundFault
from daybook.catalogue.notebook import Notebook, NotRunnable
from daybook.catalogue.suggest import did_you_mean
from daybook.contract.errors import Fault, InvalidRequest


@dataclass(frozen=True)
class Catalogue:
    """The notebooks that can be run, and what else the catalogue's files list.

    Attributes:
        notebooks: by id, in the order of the files.
        not_runnable: entries that are listed but not run here, by id.
        broken: entries that must be mended first.
    """

    notebooks: Mapping[str, Notebook]
    not_runnable: Mapping[str, NotRunnable]
    broken: tuple[BrokenEntry, ...]

    def names(self, notebook_id: str) -> bool:
        """Whether there is a notebook with that id, be it a broken one."""
        return notebook_id in self.notebooks or any(entry.id == notebook_id for entry in self.broken)

    def get(self, notebook_id: str) -> Notebook:
        """Return a notebook.

        Raises:
            InvalidRequest: there is none with that id; the message says whether it is broken, cannot be run, or was
                mistyped.
        """
        found = self.notebooks.get(notebook_id)
        if found is not None:
            return found
        if notebook_id in self.not_runnable:
            raise InvalidRequest(f"'{notebook_id}' cannot be run: it {self.not_runnable[notebook_id].reason}")
        broken = [entry for entry in self.broken if entry.id == notebook_id]
        if broken:
            raise InvalidRequest(f"Notebook '{notebook_id}' is broken in the catalogue", _faults(broken))
        if self.broken and not self.notebooks:
            raise InvalidRequest(f"There is no notebook '{notebook_id}': the catalogue is broken", _faults(self.broken))
        hint = did_you_mean(str(notebook_id), self.notebooks, otherwise="it holds")
        raise InvalidRequest(f"There is no notebook '{notebook_id}' in the catalogue{hint}")


def _faults(broken: Iterable[BrokenEntry]) -> list[Fault]:
    return [Fault(entry.place, entry.reason) for entry in broken]


def load_catalogue(paths: Sequence[Path]) -> Catalogue:
    """Read the catalogue: each path is a folder of notebook folders, or a JSON list.

    Nothing is raised for what the files hold: an entry, a file or a folder that is not as it must be becomes one
    `BrokenEntry`, and harms no other. Where two entries have one id, the first stays.
    """
    loaded: dict[str, Loaded] = {}
    broken: list[BrokenEntry] = []
    for path in paths:
        for entry in _load(Path(path)):
            if isinstance(entry, BrokenEntry):
                broken.append(entry)
            elif entry[0].id in loaded:
                first = loaded[entry[0].id][1].file
                broken.append(entry[1].broken(entry[0].id, [((), f"its id is taken by the entry in {first}")]))
            else:
                loaded[entry[0].id] = entry
    broken += _drop_unfounded(loaded, {entry.id for entry in broken})
    entries = [entry for entry, _ in loaded.values()]
    return Catalogue(
        notebooks=MappingProxyType({entry.id: entry for entry in entries if isinstance(entry, Notebook)}),
        not_runnable=MappingProxyType({entry.id: entry for entry in entries if isinstance(entry, NotRunnable)}),
        broken=tuple(broken),
    )


def _load(path: Path) -> Iterator[Loaded | BrokenEntry]:
    try:
        yield from load_list(path) if path.suffix == ".json" else load_folder(path)
    except OSError as error:
        yield Broken.by(path, error).entry(path.name or str(path))


def _drop_unfounded(loaded: dict[str, Loaded], broken: set[str]) -> list[BrokenEntry]:
    """Take out, and return as broken, the notebooks that wait for a notebook which does not exist.

    One that is merely broken may be mended tomorrow, so whoever waits for it stays.
    """
    known = {entry.id for entry, _ in loaded.values() if isinstance(entry, Notebook)} | broken
    waiting = [entry for entry, _ in loaded.values() if isinstance(entry, Notebook)]
    unfounded = {entry.id: faults for entry in waiting if (faults := list(_asset_faults(entry, known)))}
    return [loaded.pop(entry_id)[1].broken(entry_id, faults) for entry_id, faults in unfounded.items()]


def _asset_faults(notebook: Notebook, known: set[str]) -> Iterator[FoundFault]:
    for position, asset in enumerate((notebook.schedule and notebook.schedule.assets) or ()):
        place = ("schedule", "assets", position)
        if asset == notebook.id:
            yield place, f"'{asset}' is this notebook, which would wait for itself"
        elif "://" not in asset and asset not in known:
            yield place, f"'{asset}' is no notebook of the catalogue{did_you_mean(asset, known)}"
