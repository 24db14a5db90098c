"""From documents to a change of a project: planned as a whole, then saved and published, or not."""
