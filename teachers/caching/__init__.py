"""A teacher's outputs kept on disk: its logits alone, or whatever of its inside a recipe compares."""
