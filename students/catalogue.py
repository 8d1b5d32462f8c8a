"""Students by name. Adding one is adding a line."""

from dataclasses import replace

from students.architecture import StudentSpec

_SMALL_BERT = "Turc et al. 2019, Well-Read Students Learn Better"
_SUN = "Sun et al. 2020, MobileBERT"
_MOBILEBERT = StudentSpec("mobilebert", 24, 512, 4, 512, "mobilebert", 128, 128, 4, description=f"as released; {_SUN}")

_ALL = (
    StudentSpec("tiny", 4, 312, 12, 1200, description="TinyBERT4; Jiao et al. 2020, table 1"),
    StudentSpec("bert-tiny", 2, 128, 2, 512, description=f"BERT-Tiny; {_SMALL_BERT}"),
    StudentSpec("bert-mini", 4, 256, 4, 1024, description=f"BERT-Mini; {_SMALL_BERT}"),
    StudentSpec("mini", 4, 256, 4, 1024, description="short for bert-mini"),
    StudentSpec("small", 4, 512, 8, 2048, description=f"BERT-Small; {_SMALL_BERT}"),
    StudentSpec("medium", 8, 512, 8, 2048, description=f"BERT-Medium; {_SMALL_BERT}"),
    StudentSpec("tiny6", 6, 768, 12, 3072, description="TinyBERT6, half of BERT-base; Jiao et al. 2020, table 1"),
    StudentSpec(
        "distil6", 6, 768, 12, 3072, family="distilbert", description="DistilBERT; Sanh et al. 2019, no token types"
    ),
    StudentSpec("minilm-12x384", 12, 384, 12, 1536, description="MiniLM-L12-H384; Wang et al. 2020"),
    StudentSpec("minilm-6x384", 6, 384, 12, 1536, description="MiniLM-L6-H384; Wang et al. 2020"),
    StudentSpec("minilm-3x384", 3, 384, 12, 1536, description="every other layer of MiniLM-L6-H384"),
    _MOBILEBERT,
    replace(_MOBILEBERT, name="mobilebert-wide", attention="wide", description=f"as in table 1; {_SUN}"),
    replace(_MOBILEBERT, name="mobilebert-tiny", attention="narrow", feed_forwards=2, description=f"tiny; {_SUN}"),
    StudentSpec("mobilebert-6x384", 6, 384, 12, 384, "mobilebert", 96, 128, 4, description="for MiniLM-L6-H384"),
    StudentSpec("ib-bert", 24, 512, 4, 4096, "ib_bert", 1024, 128, description=f"MobileBERT's teacher; {_SUN}"),
)

STUDENTS: dict[str, StudentSpec] = {spec.name: spec for spec in _ALL}
