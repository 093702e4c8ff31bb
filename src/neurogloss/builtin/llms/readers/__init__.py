"""How an oracle reads requests: one reader a module, one reader a kind of prompt.

A reader knows its prompt by structure and never by the words around it. To teach the oracle another
prompt, write a reader and enter it into `table.READERS`.
"""
