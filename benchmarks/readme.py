"""`python -m benchmarks.readme`: put the tables of benchmarks/results/*.csv into the README.

The README has a block `<!-- results:NAME -->` … `<!-- /results:NAME -->` for each table; what is between is replaced.
"""

import csv
import re
import sys
from pathlib import Path

from pocketbert.files import write_text

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- results:(?P<name>[\w-]+) -->\n).*?(<!-- /results:(?P=name) -->)", re.DOTALL)


def fill(text: str, results: Path) -> str:
    """Return the README's text with each block replaced by the table of the CSV file of its name."""
    return BLOCK.sub(lambda match: f"{match[1]}{table(results / (match['name'] + '.csv'))}{match[3]}", text)


def table(path: Path) -> str:
    """Return a CSV file as a Markdown table; numbers are shown as the file has them."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    header, *body = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = fill(before, ROOT / "benchmarks" / "results")
    if "--check" in sys.argv:
        sys.exit(0 if before == after else "README.md is not up to date: run python -m benchmarks.readme")
    write_text(readme, after)
