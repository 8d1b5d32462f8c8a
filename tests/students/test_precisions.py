"""Which precisions a model can't have, told before anything long."""

import pytest
from transformers import MobileBertConfig, MobileBertForSequenceClassification

from pocketbert.errors import UserError
from students.exporting.precisions import MIXED, PRECISIONS, STATIC, check_kernels
from tests.students.exporting import family_config, random_model
from tests.students.models import classifier


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_family_that_is_written_from_its_weights_has_all(precision):
    for family in ("bert", "roberta", "electra", "distilbert"):
        check_kernels(classifier(family), precision, trained=precision == STATIC)
    check_kernels(random_model(family_config("albert")), precision)


@pytest.mark.parametrize(
    ("precision", "message"),
    [(STATIC, "no kernel has fixed ranges: take int8."), (MIXED, "no kernel has mixed bits: take int8 or int4.")],
)
def test_a_family_of_torchs_exporter_lacks_some(precision, message):
    config = family_config("bert")
    config.hidden_act = "quick_gelu"
    model = random_model(config)
    with pytest.raises(UserError) as raised:
        check_kernels(model, precision)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    check_kernels(model, "int8")
    check_kernels(model, "int4")


def test_norms_that_are_folded_have_no_trained_ranges():
    model = random_model(family_config("mobilebert"))
    assert isinstance(model, MobileBertForSequenceClassification) and isinstance(model.config, MobileBertConfig)
    with pytest.raises(UserError, match="take int8-static"):
        check_kernels(model, STATIC, trained=True)
    check_kernels(model, STATIC)
