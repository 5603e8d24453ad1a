"""Closer to one kind of art, or to one artwork: adapters of the style encoder and refined codes.

Everything here moves codes alone. The transfer network and the encoder stay as they are released,
so a code that was made here runs in any bundle of the same checkpoint.
"""
