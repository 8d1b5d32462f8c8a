"""More text for a task, made of its own: TinyBERT's data augmentation."""
