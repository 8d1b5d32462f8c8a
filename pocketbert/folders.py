"""What a folder of a saved model holds beside its weights: configuration and tokenizer."""

from pathlib import Path

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

import pocketbert.ib_bert  # noqa: F401  (teaches transformers the family)
from pocketbert.errors import UserError

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model")


def load_config(folder: Path) -> PreTrainedConfig:
    """Load a folder's configuration.

    Raises:
        UserError: config.json can't be read as one.
    """
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder)
        return config
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder / 'config.json'} can't be read as a model's configuration ({reason}).") from None


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a fast tokenizer from a folder; what its file says of cutting and padding is left out.

    Raises:
        UserError: the folder has none, or it has no padding token.
    """
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise UserError(f"{folder} has no tokenizer (none of {', '.join(TOKENIZER_FILES)}).")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder} has no tokenizer that can be loaded ({reason}).") from None
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise UserError(f"{folder}: its tokenizer has no fast form or no padding token; tokenizer.json is needed.")
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer
