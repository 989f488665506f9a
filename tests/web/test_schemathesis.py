"""Requests made from the OpenAPI document, good and bad: none is answered by a 500, or by what is not declared."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from builders import RUN_ID, a_manifest, an_output
from daybook.storage import record_of
from daybook.web.app import create_app
from web_api import Airflow, with_airflow

CASES = 40
"""For each of the operations; they take half a minute together."""


@pytest.fixture
def api(world, bucket):
    record = record_of(bucket, RUN_ID)
    record.write(a_manifest(outputs=(an_output(),)))
    record.store.write(an_output().key, b"abc")
    app = create_app(with_airflow(world, Airflow()))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.config.generation.update(with_security_parameters=False)
    return schema


schema = schemathesis.pytest.from_fixture("api")
