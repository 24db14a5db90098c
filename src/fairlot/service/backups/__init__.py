"""Copies of a data directory, taken while it is served, and put back so that clients go on."""
