"""Scorers that ask a language model about single texts, and compare its answers with what the unit did."""
