"""Spark for runs: the Java it needs, a Connect server on loopback, and the session that a notebook gets."""
