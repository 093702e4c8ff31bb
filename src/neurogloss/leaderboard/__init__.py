"""What runs came to, side by side: read from the store, with nothing run."""
