"""Whether the Spark of the notebooks' environment can reach S3."""

from pathlib import Path

NOTEBOOKS = Path(__file__).parents[3] / ".venv-notebook"


def has_s3a() -> bool:
    return any(NOTEBOOKS.glob("lib/python3.*/site-packages/pyspark/jars/hadoop-aws-*.jar"))
