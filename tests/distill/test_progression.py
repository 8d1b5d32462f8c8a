import pytest

from distill.progression import active_layer, layer_of, rate, schedule


def test_each_layer_has_an_equal_share_of_the_steps():
    order = [active_layer(step, 12, 4) for step in range(12)]
    assert order == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert active_layer(99, 12, 4) == 3


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        (".student.bert.encoder.layer.11.output.dense.weight", 11),
        (".student.distilbert.transformer.layer.2.ffn.lin1.bias", 2),
        (".student.mobilebert.encoder.layer.1.ffn.2.output.dense.weight", 1),
        (".student.bert.embeddings.LayerNorm.weight", 0),
        (".objectives.feature_maps.projections.3.weight", 3),
        (".student.classifier.weight", None),
    ],
)
def test_parameters_belong_to_layers_by_name(name, layer):
    assert layer_of(name) == layer


def test_layers_below_go_on_slowly_and_those_above_wait():
    assert [rate(layer, 1) for layer in (0, 1, 2, None)] == [0.1, 1.0, 0.0, 1.0]
    factors = schedule(lambda step: 0.5, 1, 6, 3)
    assert [factors(step) for step in range(7)] == [0, 0, 0.5, 0.5, 0.05, 0.05, 0.05]
