"""The SDK: decides in the process that asks, by a manifest that it keeps fresh behind its back."""
