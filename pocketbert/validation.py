"""Documents that a user wrote, checked: every mistake becomes one line that names the field."""

import difflib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from pocketbert.errors import UserError

Model = TypeVar("Model", bound=BaseModel)
OPTIONS = {
    "teachers": "teacher",
    "teacher_weights": "teacher-weight",
    "text_columns": "text-column",
    "objectives": "objective",
}
"""How fields with several values are called on the command line."""


class Document(BaseModel):
    """What a user may write in YAML; a field that is named and left empty has its default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_empty(cls, value: Any) -> Any:  # noqa: ANN401  (what YAML holds)
        if not isinstance(value, dict):
            return value
        return {name: each for name, each in value.items() if each is not None or name not in cls.model_fields}


def validated(model: type[Model], document: Any, where: str = "") -> Model:  # noqa: ANN401  (what YAML or options hold)
    """Validate a document.

    Args:
        model: what the document should be.
        document: a mapping as a user wrote it.
        where: it came from; empty for the command line, whose fields are options.

    Raises:
        UserError: naming the first wrong field.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        if not where:
            field = OPTIONS.get(str(first["loc"][0]), field)
            raise UserError(f"--{field.replace('_', '-')} {first['input']!r}: {first['msg'].lower()}.") from None
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        if first["type"] == "extra_forbidden":
            raise UserError(f"{where}: there is no field {field}{more}; {_advice(model, field)}") from None
        value = "" if first["type"] == "missing" else f" (got {first['input']!r})"
        raise UserError(f"{where}: {field}: {first['msg'].lower()}{value}{more}.") from None
    except UserError as error:
        raise UserError(f"{where}: {error}" if where else str(error)) from None


def _advice(model: type[BaseModel], field: str) -> str:
    known = list(model.model_fields)
    if "." in field:
        return "--print-recipe shows those there are."
    near = difflib.get_close_matches(field, known, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
