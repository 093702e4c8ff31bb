"""Negatives: records on which a unit does not fire."""
