"""A build: what is asked for, the stages, and their order."""
