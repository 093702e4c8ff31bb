"""Sentence-embedding models on sentence-transformers."""
