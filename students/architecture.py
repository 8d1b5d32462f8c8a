"""The sizes of a student, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from pocketbert.errors import UserError, unknown

FAMILIES = ("bert", "roberta", "electra", "distilbert")
"""Families whose models can be taken apart (`students.anatomy`), and so cut, copied and written to ONNX directly."""

ELECTRA, MOBILEBERT, IB_BERT = "electra", "mobilebert", "ib_bert"
BOTTLENECKS = (MOBILEBERT, IB_BERT)
"""Families whose blocks have another width than the state between them."""

AUTO = "auto"
MOST = {"layers": 256, "hidden": 16_384, "heads": 1024, "feed_forward": 65_536}
"""Sizes beyond these are mistakes, which even to build without weights would take minutes."""

MOST_OF_BOTTLENECKS = {"bottleneck": 16_384, "embedding": 16_384, "feed_forwards": 64}
VOCABULARY = "vocabulary"
ALL = "all"
MOST_PIECES = 10_000_000
SIZES = (*MOST, *MOST_OF_BOTTLENECKS, VOCABULARY)
ATTENTION = ("shared", "narrow", "wide")
"""Where a bottleneck's queries, keys and values come from."""

NORMALIZATION, ACTIVATION = ("no_norm", "layer_norm"), ("relu", "gelu")
WORDS = {"attention": ATTENTION, "normalization": NORMALIZATION, "activation": ACTIVATION}
"""What a MobileBERT is asked for by name; the first of each is the default."""


@dataclass(frozen=True)
class StudentSpec:
    """What a student looks like; positions and labels are the teacher's.

    Attributes:
        name: what to call it.
        layers: encoder layers.
        hidden: width of the hidden states.
        heads: attention heads per layer; they must divide `hidden`, or the bottleneck where there is one.
        feed_forward: width inside the feed-forward blocks.
        family: bert, roberta, electra, distilbert, mobilebert, ib_bert, or "auto": the teacher's if it is one of the
            first four, else bert.
        bottleneck: width inside the blocks of mobilebert (narrower than `hidden`) and ib_bert (wider); 0 for others.
        embedding: width of the word table, where it is in two factors (`students.factorised`; 0: one whole table); of
            electra's tables, which go through a projection together (0: as wide as the teacher's, at most `hidden`);
            and of those of mobilebert and ib_bert.
        feed_forwards: of mobilebert and ib_bert, how many stand one after the other in a layer.
        attention: of mobilebert: queries and keys through a bottleneck of their own and values from the hidden states
            ("shared", as released), all three from the block's bottleneck ("narrow", MobileBERT-tiny), or all from the
            hidden states ("wide", the paper's table).
        normalization: of mobilebert: a factor and a sum alone ("no_norm", which costs nothing once exported), or BERT's
            ("layer_norm").
        activation: of mobilebert: "relu" or "gelu". Sun et al. 2020, table 4: BERT's norm and "gelu" have 78.5 on GLUE
            at 192 ms, the other two 77.7 at 62 ms.
        sharing: how many neighbouring layers share one set of weights, such as "2", or "all" (ALBERT); "" for none. Of
            bert, roberta, electra and distilbert.
        vocabulary: pieces of the teacher's vocabulary that are kept, the ones that the task's text uses most; 0: all.
        description: where the sizes come from.

    Raises:
        UserError: a size is not a positive integer, the heads do not divide the width, or the family is unknown.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    feed_forward: int
    family: str = AUTO
    bottleneck: int = 0
    embedding: int = 0
    feed_forwards: int = 1
    attention: str = ATTENTION[0]
    normalization: str = NORMALIZATION[0]
    activation: str = ACTIVATION[0]
    vocabulary: int = 0
    sharing: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if self.family not in (AUTO, *FAMILIES, *BOTTLENECKS):
            raise unknown("student family", self.family, (AUTO, *FAMILIES, *BOTTLENECKS))
        self._check_sizes(MOST)
        if self.vocabulary:
            self._check_sizes({VOCABULARY: MOST_PIECES})
        if self.has_bottleneck:
            self._check_sizes(MOST_OF_BOTTLENECKS)
        elif self.bottleneck or self.feed_forwards != 1 or self._worded:
            raise UserError(
                f"student {self.name}: bottleneck, feed_forwards, {', '.join(WORDS)} are for family=mobilebert and "
                "family=ib_bert: add one of them."
            )
        elif self.embedding:
            self._check_sizes({"embedding": MOST_OF_BOTTLENECKS["embedding"]})
            self._check_narrow()
        self._check_sharing()
        if self.family == IB_BERT and self._worded:
            raise UserError(f"student {self.name}: {self._worded[0]} is for family=mobilebert: leave it out.")
        for name, choices in WORDS.items():
            if getattr(self, name) not in choices:
                raise unknown(f"student {name}", getattr(self, name), choices)
        width = "bottleneck" if self.has_bottleneck else "hidden"
        if self.inner % self.heads:
            nearest = " or ".join(str(heads) for heads in nearest_heads(self.inner, self.heads))
            raise UserError(
                f"student {self.name}: heads={self.heads} does not divide {width}={self.inner}: take heads={nearest}."
            )

    def _check_sizes(self, most: Mapping[str, int]) -> None:
        for size, limit in most.items():
            value = getattr(self, size)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"student {self.name}: {size}={value} must be a whole number of at least 1.")
            if value > limit:
                raise UserError(f"student {self.name}: {size}={value} is more than {limit:,}: make it smaller.")

    def _check_narrow(self) -> None:
        if self.family != ELECTRA and self.embedding > self.hidden:
            raise UserError(
                f"student {self.name}: embedding={self.embedding} is wider than hidden={self.hidden}: make it narrower."
            )

    def _check_sharing(self) -> None:
        if self.sharing in ("", ALL):
            size = 1
        elif self.sharing.isdecimal() and int(self.sharing) >= 1:
            size = int(self.sharing)
        else:
            raise UserError(f"student {self.name}: sharing={self.sharing} is none: write sharing=all or sharing=2.")
        if self.sharing and self.has_bottleneck:
            raise UserError(f"student {self.name}: sharing is not for family={self.family}: leave it out.")
        if size > self.layers:
            raise UserError(
                f"student {self.name}: sharing={size} is more than layers={self.layers}: write sharing=all or less."
            )

    @property
    def group(self) -> int:
        """How many neighbouring layers share their weights; 1: none do."""
        return self.layers if self.sharing == ALL else int(self.sharing or 1)

    @property
    def _worded(self) -> list[str]:
        """What is asked for by name, other than the default."""
        return [name for name, choices in WORDS.items() if getattr(self, name) != choices[0]]

    @property
    def has_bottleneck(self) -> bool:
        """Whether its blocks have another width than the state between them."""
        return self.family in BOTTLENECKS

    @property
    def inner(self) -> int:
        """Width of all heads together."""
        return self.bottleneck if self.has_bottleneck else self.hidden

    @property
    def sizes(self) -> str:
        """Layers x width/heads/feed-forward, of a bottleneck its width, and what else was asked for."""
        through = f"({self.bottleneck})" if self.has_bottleneck else ""
        words = [getattr(self, name) for name in self._worded]
        words += [f"embeddings of {self.embedding}"] if self.embedding and not self.has_bottleneck else []
        words += [f"{self.sharing} layers shared"] if self.group > 1 else []
        rest = [*words, *([f"{self.vocabulary:,} pieces"] if self.vocabulary else [])]
        return ", ".join([f"{self.layers}x{self.hidden}{through}/{self.heads}/{self.feed_forward}", *rest])


FIELDS = tuple(field.name for field in fields(StudentSpec) if field.name not in {"name", "description"})
"""What a user may set: the sizes and the family."""


def divisors(number: int) -> list[int]:
    """Return the divisors of a positive number, smallest first."""
    return [i for i in range(1, number + 1) if number % i == 0]


def nearest_heads(hidden: int, heads: int) -> list[int]:
    """Return the head counts next below and above `heads` that divide `hidden`."""
    below = [x for x in divisors(hidden) if x < heads]
    above = [x for x in divisors(hidden) if x > heads]
    return below[-1:] + above[:1]


@dataclass(frozen=True)
class Proportions:
    """A teacher's sizes, which a student cut out of it stays within; of layers that differ the smallest.

    Attributes:
        hidden: width of the hidden states.
        heads: attention heads.
        feed_forward: width inside the feed-forward blocks.
        head_size: of one head; None where heads make up the width.
    """

    hidden: int
    heads: int
    feed_forward: int
    head_size: int | None = None

    @property
    def largest_head(self) -> int:
        """Width of the largest head that a student can have."""
        return self.head_size or self.hidden // self.heads


def usual_heads(hidden: int) -> int:
    """Return a head count for a width: 12 with heads of 24 to 64, as BERT-base has, else heads of 64 or about 32."""
    if hidden % 12 == 0 and 24 <= hidden // 12 <= 64:
        return 12
    if hidden % 64 == 0:
        return hidden // 64
    return min(divisors(hidden), key=lambda heads: abs(hidden / heads - 32))


def fitting_heads(hidden: int, teacher: Proportions) -> int:
    """Return a head count that can be cut out of a teacher: the usual one, else the fewest, else the usual after all.

    A cut takes no more heads than the teacher has, and none larger than the teacher's.
    """
    usual = usual_heads(hidden)
    fitting = [x for x in divisors(hidden) if x <= teacher.heads and hidden <= teacher.largest_head * x]
    return usual if usual in fitting else min(fitting, default=usual)
