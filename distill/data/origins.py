"""Where data come from: the embedded task, a path, or the Hub; known before anything is read."""

from pathlib import Path
from typing import Literal

from distill.corpus.texts import check_corpus, is_corpus
from distill.data.apidocs import APIDOCS
from distill.data.folders import missing_path
from distill.data.formats import READERS
from distill.data.hub import check_in_reach, looks_like_hub_id
from pocketbert.errors import UserError, unknown

Origin = Literal["embedded", "path", "hub"]


def origin_of(source: str) -> Origin:
    """Tell what a source is; what exists as a path is a path (`./apidocs` for a folder of that name).

    Raises:
        UserError: it is none of these.
    """
    if source == APIDOCS:
        return "embedded"
    if not source.strip():
        raise UserError(f"no data named: take {APIDOCS}, a folder, a file or a Hub id such as glue/sst2.")
    path = Path(source).expanduser()
    if _exists(path):
        return "path"
    inside_a_folder = "/" in source and path.parent.is_dir()
    if inside_a_folder or not looks_like_hub_id(source) or path.suffix.lower() in READERS:
        raise missing_path(path)
    near = unknown("data", source, [APIDOCS])
    if "did you mean" in str(near):
        raise near
    return "hub"


def check_origin(source: str) -> None:
    """Refuse a source that can't be opened, without opening it.

    Raises:
        UserError: it is nothing, or a Hub id that is neither in reach nor in the cache.
    """
    if is_corpus(source):
        check_corpus(source)
    elif origin_of(source) == "hub":
        check_in_reach(source)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # a name longer than the file system takes, for one
        raise UserError(f"--data {str(path)[:60]}…: {error.strerror}.") from None
