"""How text is augmented.

Paper: Jiao et al. 2020, "TinyBERT", arXiv:1909.10351, section 3.2 and Algorithm 1. Of each text N copies are made, and
in each of them every word is replaced with probability p by one of its K candidates: for a word of one piece what a
masked language model expects in its place, for a word of several pieces its nearest neighbours among word vectors.

Deviations: the copies' labels are the teacher's, since a replaced word may change the right one. The word itself is no
candidate of its own, a candidate is a whole word of letters, and copies that are equal are kept once, so there may be
fewer than N. Of a pair every copy changes one text, the two in turn (the paper does not say). Word vectors are the
language model's input embeddings unless a file of GloVe's is given. The authors' code differs from the paper: it shows
the language model the unmasked text, too, and leaves stop words and words with other characters than a to z alone.
"""

from typing import Annotated

from pydantic import Field

from pocketbert.validation import Document


class Augmentation(Document):
    """Settings; the defaults are the paper's.

    Attributes:
        copies: of each row, N.
        probability: that a word of a copy is replaced, p.
        candidates: of each word, K.
        model: a masked language model: name, folder or Hub id; the teacher by default, if it has a language head.
        vectors: a text file of word vectors as GloVe's: a word and its numbers a line.
    """

    copies: Annotated[int, Field(gt=0)] = 20
    probability: Annotated[float, Field(gt=0, le=1)] = 0.4
    candidates: Annotated[int, Field(gt=0)] = 15
    model: str | None = None
    vectors: str | None = None
