"""Routes whose shape belongs to someone else's clients."""
