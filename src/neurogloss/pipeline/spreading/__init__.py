"""Runs that are spread over processes: what these have in common, and their way to it."""
