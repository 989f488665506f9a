"""The only room that imports Airflow: the operator, the DAGs of the catalogue, the plugin.

Nothing is imported here, so that each Airflow process loads just the module it needs.
"""
