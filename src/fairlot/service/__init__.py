"""Use cases: what the server and the command line do, over the store and the event log."""
