"""The HTTP surface: routes, their document, and the faces that keep other owners' shapes."""
