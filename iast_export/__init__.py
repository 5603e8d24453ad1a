"""iast-export: a trained style-transfer network in, a mobile bundle that can be trusted out."""

__version__ = "0.1.0"
