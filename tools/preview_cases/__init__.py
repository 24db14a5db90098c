"""What conformance/preview/ is made of, written from RULES P."""
