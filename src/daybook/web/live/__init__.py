"""Runs while they go on: one look at a record for all who watch it."""
