"""The notebooks that can be run: their typed inputs, run settings and schedules."""
