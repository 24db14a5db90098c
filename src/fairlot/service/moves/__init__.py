"""Who moves when one deal follows another: exact shares, and counts over the event log."""
