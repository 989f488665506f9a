"""IPython reads this from the image's environment whenever a kernel starts, in a run and in JupyterLab.

With DAYBOOK_STARTUP_IMPORTS=1 what `daybook.notebook` offers is there without an import, as people know it from
platforms. A notebook that counts on it needs it in its runs, too: hence a variable of the image, not of one server.
"""

import os

if os.environ.get("DAYBOOK_STARTUP_IMPORTS") == "1":
    c = get_config()  # noqa: F821 - IPython gives it
    c.InteractiveShellApp.exec_lines = [
        "from daybook.notebook import get_spark_session, outputs, record, secret, workspace"
    ]
