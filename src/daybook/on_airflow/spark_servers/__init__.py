"""A workspace's Spark servers: there when a run needs one, made once however many ask, gone when nobody does."""
