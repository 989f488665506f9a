"""Runs as they go on: one watcher for each run that is looked at, shared by all who look."""
