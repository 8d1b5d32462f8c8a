"""What every room may import: errors, files, version. Imports nothing of ours."""

__version__ = "0.1.0"
