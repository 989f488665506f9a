"""What a Hub's own `jupyterhub_config.py` takes over to show Daybook's notebooks: copy it, or `load_subconfig` it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import daybook_hub

c = get_config()  # noqa: F821 - traitlets' own, in configuration files
daybook_hub.configure(c, os.environ["DAYBOOK_URL"], os.environ.get("DAYBOOK_PUBLIC_URL"))
