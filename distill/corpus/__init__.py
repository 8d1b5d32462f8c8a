"""Corpora: text without labels, tokenised once, for masked language modelling."""
