"""Runs of neurogloss on many machines, on Ray."""
