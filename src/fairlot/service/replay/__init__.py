"""Whether what was recorded is what the stored manifests draw."""
