"""Pictures through a bundle, and styles added to one."""
