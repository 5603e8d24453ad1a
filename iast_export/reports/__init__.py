"""The reports and the manifest: every JSON file that outlives a run."""
