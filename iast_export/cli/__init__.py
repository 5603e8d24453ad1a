"""The command line: one verb per file, and what all verbs share."""
