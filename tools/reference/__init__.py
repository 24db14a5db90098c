"""A second, naive reading of the specification: it shares no code with the engine."""
