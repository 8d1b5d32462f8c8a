"""Searches for the smallest student that is good enough on a device."""
