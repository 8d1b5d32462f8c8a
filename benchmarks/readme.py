"""`python -m benchmarks.readme`: put the tables of benchmarks/results/*.csv and the list of files into the README.

The README has a block `<!-- results:NAME -->` … `<!-- /results:NAME -->` for each table (`<!-- results:NAME turned -->`
for one whose rows become columns), and one `<!-- files -->` … `<!-- /files -->`; what is between is replaced.
"""

import ast
import csv
import re
from pathlib import Path

import typer

from pocketbert import command
from pocketbert.files import write_text

ROOT = Path(__file__).parents[1]
MARK = r"results:(?P<name>[\w-]+)"
BLOCK = re.compile(rf"(<!-- {MARK}(?P<turned> turned)? -->\n).*?(<!-- /results:(?P=name) -->)", re.DOTALL)
FILES = re.compile(r"(<!-- files -->\n).*?(<!-- /files -->)", re.DOTALL)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
PACKAGES = ("distill", "teachers", "students", "benchmarks", "nas", "pocketbert")


def fill(text: str, root: Path) -> str:
    """Return the README's text with each table and the list of files made anew.

    Args:
        text: with the blocks.
        root: of the project; the tables come from `benchmarks/results/NAME.csv` in it.
    """
    results = root / "benchmarks" / "results"

    def block(match: re.Match[str]) -> str:
        made = table(results / f"{match['name']}.csv", turned=bool(match["turned"]))
        return f"{match[1]}{made}{match[4]}"

    text = BLOCK.sub(block, text)
    return FILES.sub(lambda match: f"{match[1]}{files(root)}{match[2]}", text)


def files(root: Path) -> str:
    """Return a line a module, as its docstring begins, grouped by folder, as Markdown."""
    folders: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py"), key=lambda path: (path.parent, path.name)):
            summary = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
            if summary and path.name != "__init__.py":
                folder = path.parent.relative_to(root).as_posix()
                folders.setdefault(folder, []).append(f"- `{path.name}`: {summary}\n")
    return "".join(f"\n**{folder}/**\n\n{''.join(lines)}" for folder, lines in folders.items()) + "\n"


def table(path: Path, *, turned: bool = False) -> str:
    """Return a CSV file as a Markdown table, numbers as the file has them; `turned` makes its rows columns."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    if turned:
        rows = [list(column) for column in zip(*rows, strict=True)]
    header, *body = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


@app.command()
def readme() -> None:
    """Put the tables of benchmarks/results/*.csv and the list of files into README.md."""
    path = ROOT / "README.md"
    write_text(path, fill(path.read_text(encoding="utf-8"), ROOT))


if __name__ == "__main__":
    command.run(app, "python -m benchmarks.readme")
