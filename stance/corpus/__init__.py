"""Labelled data: reading it, checking it, measuring its agreement."""
