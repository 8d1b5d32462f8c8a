"""How many texts a second are distilled, beside a bare loop, a plain Trainer and TextBrewer."""
