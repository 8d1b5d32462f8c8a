"""Measures models on a phone, in its browser, and reports what it found."""
