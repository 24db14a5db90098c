"""Where events are kept: the embedded log that every worker writes and all can read."""
