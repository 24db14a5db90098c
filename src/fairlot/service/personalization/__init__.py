"""What subjects do activates variants for them, and gives them properties."""
