"""Language models that need no model: the scripted one and the oracle."""
