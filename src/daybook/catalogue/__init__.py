"""The notebooks that can be run: their typed inputs, run settings and schedules.

`load_catalogue` reads the files, `Notebook.resolve` turns what was given into the parameters of a run. How each input
type is read and written stands in `daybook.catalogue.types`.
"""

from daybook.catalogue.broken import BrokenEntry
from daybook.catalogue.cached import CachedCatalogue, cached_catalogue
from daybook.catalogue.catalogue import Catalogue, load_catalogue
from daybook.catalogue.folder import spec_schema
from daybook.catalogue.ids import id_fault
from daybook.catalogue.inputs import Input, input_schema, json_schema, name_fault, resolve, to_query
from daybook.catalogue.notebook import Notebook, NotRunnable, digest_of
from daybook.catalogue.run_settings import CHOOSABLE, RUN_SETTINGS, WORKSPACE, RunSettings, conf_of, settings_of_texts
from daybook.catalogue.schedule import Schedule, is_template
from daybook.catalogue.types import TYPES, InputType
from daybook.catalogue.values_file import read_values

__all__ = [
    "CHOOSABLE",
    "RUN_SETTINGS",
    "TYPES",
    "WORKSPACE",
    "BrokenEntry",
    "CachedCatalogue",
    "Catalogue",
    "Input",
    "InputType",
    "NotRunnable",
    "Notebook",
    "RunSettings",
    "Schedule",
    "cached_catalogue",
    "conf_of",
    "digest_of",
    "id_fault",
    "input_schema",
    "is_template",
    "json_schema",
    "load_catalogue",
    "name_fault",
    "read_values",
    "resolve",
    "settings_of_texts",
    "spec_schema",
    "to_query",
]
