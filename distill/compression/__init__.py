"""Compression: a trained student made smaller step by step, each step measured."""
