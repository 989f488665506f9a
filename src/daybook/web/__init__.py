"""The pages of runs: what people who never open Airflow look at. Knows nothing of Airflow; that is injected."""
