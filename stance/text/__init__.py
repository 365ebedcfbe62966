"""From files to sentences."""
