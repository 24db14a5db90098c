"""Our own routes; errors are RFC 9457 problems."""
