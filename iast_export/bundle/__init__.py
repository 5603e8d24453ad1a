"""The bundle: what it holds, what it hashes to, whose files are in it."""
