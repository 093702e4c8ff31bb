"""Ground truth in a real transformer: weights that are constructed from a description."""
