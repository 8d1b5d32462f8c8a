"""A table as it was read, which remembers where each row stood so that errors can say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pocketbert.errors import UserError


@dataclass(frozen=True)
class Table:
    """Rows with named columns.

    Attributes:
        name: what messages call it: a path, or a Hub id with its split.
        data: the columns; strings, or the types the format has.
        lines: line number of each row in its file, counted from 1; None where a format has no lines.
        class_names: names of integer class ids by column, where the source declares them.
    """

    name: str
    data: pa.Table
    lines: NDArray[np.int64] | None = None
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.data.column_names)

    def where(self, row: int) -> str:
        """Say where a row stands."""
        return f"{self.name}, row {row + 1}" if self.lines is None else f"{self.name}, line {self.lines[row]}"


def joined(tables: Sequence[Table]) -> Table:
    """Return the shards of one split as one table.

    Raises:
        UserError: their columns differ.
    """
    if len(tables) == 1:
        return tables[0]
    first = tables[0]
    for table in tables[1:]:
        if table.columns != first.columns:
            raise UserError(
                f"{first.name} has the columns {', '.join(first.columns)} but {table.name} has "
                f"{', '.join(table.columns)}: the parts of a split must have the same columns."
            )
    try:
        data = pa.concat_tables([table.data for table in tables], promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"the parts of a split don't fit together: {first.name} and the others: {error}.") from None
    return Table(f"{first.name} (and {len(tables) - 1} more)", data, None, first.class_names)


def broken(path: Path, line: int, problem: str, remedy: str = "mend or remove that line") -> UserError:
    """Return the error for a line that can't be read."""
    return UserError(f"{path}, line {line}: {problem}; {remedy}.")


def not_utf8(path: Path) -> UserError:
    """Return the error for a file that is not UTF-8, with the first line that is not."""
    line = 1
    with path.open("rb") as stream:
        for line, raw in enumerate(stream, 1):  # noqa: B007  (told after the loop)
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                break
    return broken(path, line, "not UTF-8", "save the file as UTF-8")
