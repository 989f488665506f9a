"""Links from the pages into Airflow."""

from builders import a_manifest
from daybook.contract.request import AirflowCoordinates
from daybook.on_airflow.ports.links import airflow_url


def test_what_a_record_says_of_airflow_leads_nowhere_else_in_it():
    where = AirflowCoordinates(dag_id="../../auth/logout?", run_id="..", task_id="x/../..")
    link = airflow_url("https://airflow.test", a_manifest(airflow=where))
    assert link == "https://airflow.test/dags/..%2F..%2Fauth%2Flogout%3F/runs/../tasks/x%2F..%2F.."
