"""Mounts Daybook's pages and its check of triggers in Airflow's API server, and shows the pages in Airflow's own."""

from airflow.plugins_manager import AirflowPlugin

from daybook.on_airflow import plugin


class DaybookPlugin(AirflowPlugin):
    """See `daybook.on_airflow.plugin`; the app itself is built when the first request comes."""

    name = "daybook"
    fastapi_apps = plugin.fastapi_apps()
    fastapi_root_middlewares = plugin.fastapi_root_middlewares()
    external_views = plugin.external_views()
