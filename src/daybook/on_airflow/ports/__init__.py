"""What the pages need of Airflow (`daybook.web.world`): who asks, runs that are started, cancelled, waited for."""
