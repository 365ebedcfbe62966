"""The faces of the library."""
