"""Commands as results quote them: without the places of one machine."""

import shlex
from itertools import pairwise
from pathlib import Path


def without_root(command_line: str, root: Path) -> str:
    """Return a command with DATA for the folder that its data lie in; data from elsewhere are left as they are."""
    parts = shlex.split(command_line)
    for place, (option, value) in enumerate(pairwise(parts), start=1):
        if option == "--data" and Path(value).is_relative_to(root):
            parts[place] = str("DATA" / Path(value).relative_to(root))
    return shlex.join(parts)
