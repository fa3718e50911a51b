"""Search spaces: domains as in Tune, angles, budgets, and the ready ones."""

import importlib
import inspect
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.search import sample

from sweeps.study.default_spaces import PARAMETERS, SPACES, explain
from sweeps.study.space import Domain, SpaceError, parse, space, tan_degrees
from trainer import catalogue

EXAMPLES = [
    {"uniform": [0.0, 1.0]},
    {"loguniform": [1e-4, 1e-2]},
    {"quniform": [0.0, 1.0, 0.25]},
    {"randint": [1, 5]},
    {"choice": [0.1, "x", True, None, 3]},
    {"grid_search": [1, 2]},
    {"tan_degrees": {"uniform": [60.0, 85.0]}},
    {"tan_degrees": {"grid_search": [75, 80, 85]}},
]


@pytest.mark.parametrize("raw", EXAMPLES, ids=str)
def test_a_domain_reads_back_what_it_writes(raw):
    domain = parse(raw)
    assert domain.plain() == raw
    assert parse(json.loads(json.dumps(domain.plain()))) == domain


def test_bare_bounds_of_an_angle_mean_uniform():
    assert parse({"tan_degrees": [60, 85]}) == Domain(kind="uniform", args=(60.0, 85.0), tan=True)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (3, "accepts one of uniform"),
        ({}, "accepts one of uniform"),
        ({"uniform": [0, 1], "choice": [1]}, "accepts one of uniform"),
        ({"unifrom": [0, 1]}, "did you mean uniform?"),
        ({"tan_degree": [0, 1]}, "did you mean tan_degrees?"),
        ({"uniform": 3}, "accepts a list after uniform, as {uniform: [0, 1]}"),
        ({"uniform": [1]}, "accepts 2 numbers"),
        ({"uniform": [True, 2]}, "accepts 2 numbers"),
        ({"uniform": [2, 1]}, "a low bound below the high one; swap them?"),
        ({"uniform": [1, 1]}, "two different bounds"),
        ({"loguniform": [0, 1]}, "bounds above 0"),
        ({"quniform": [0, 1]}, "accepts 3 numbers"),
        ({"quniform": [0, 1, 0]}, "a quantum above 0"),
        ({"quniform": [0, 1, 0.3]}, "multiples of the quantum 0.3"),
        ({"randint": [0.5, 3]}, "accepts 2 whole numbers"),
        ({"choice": []}, "at least one value"),
        ({"choice": [[1]]}, "no lists or mappings"),
        ({"grid_search": [1, 1]}, "one is there twice"),
        ({"tan_degrees": 75}, "a fixed angle belongs in params"),
        ({"tan_degrees": [60, 90]}, "between -90 and 90"),
        ({"tan_degrees": {"choice": ["steep"]}}, "between -90 and 90"),
        ({"tan_degrees": {"tan_degrees": [1, 2]}}, "once"),
    ],
    ids=str,
)
def test_a_wrong_domain_is_refused_with_what_is_accepted(raw, message):
    with pytest.raises(SpaceError) as caught:
        parse(raw)
    assert message in str(caught.value)


def test_bounds_that_tune_itself_refuses_are_refused():
    """Our checks are Tune's: what it would raise on at run time is refused in the file."""
    for raw in ({"loguniform": [0, 1]}, {"quniform": [0, 1, 0.3]}):
        name, arguments = next(iter(raw.items()))
        with pytest.raises(ValueError, match="bound"):
            getattr(sample, name)(*arguments)
        with pytest.raises(SpaceError):
            parse(raw)


@pytest.mark.parametrize("raw", [raw for raw in EXAMPLES if "grid_search" not in str(raw)], ids=str)
def test_tune_gets_its_own_domains(raw):
    domain = parse(raw)
    tuned = domain.to_tune()
    assert isinstance(tuned, sample.Domain)
    values = tuned.sample(size=200, random_state=1)
    if domain.kind == "choice":
        assert {json.dumps(value) for value in values} == {json.dumps(value) for value in domain.args}
    else:
        low, high = domain.args[:2]
        assert all(low <= value <= high for value in values)
        assert max(values) - min(values) > 0.5 * (high - low - (domain.kind == "randint"))


def test_the_slope_is_the_tangent_of_the_searched_angle():
    made = space(
        {"a": parse({"tan_degrees": [60, 85]}), "k": parse({"uniform": [1, 9]})}, {"lr": parse({"choice": [0.1]})}
    )
    params, training = made.resolve({"activation.a": 75.0, "activation.k": 5.0, "training.lr": 0.1})
    assert params == {"a": math.tan(75 * math.pi / 180), "k": 5.0}
    assert params["a"] == pytest.approx(3.7320508, rel=1e-7)
    assert training == {"lr": 0.1}


@given(st.floats(-89, 89), st.floats(0.01, 1e3))
def test_a_configuration_survives_json_exactly(angle, k):
    made = space({"a": parse({"tan_degrees": [-89, 89]}), "k": parse({"uniform": [0, 1000]})}, {})
    config = {"activation.a": angle, "activation.k": k}
    assert made.resolve(json.loads(json.dumps(config))) == made.resolve(config)


def test_the_order_of_a_file_does_not_order_the_space():
    a, b = parse({"uniform": [0, 1]}), parse({"uniform": [1, 2]})
    assert list(space({"b": b, "a": a}, {"lr": a}).domains) == ["activation.a", "activation.b", "training.lr"]


@pytest.mark.parametrize(
    ("activation", "samples", "trials"),
    [
        ({}, 5, 1),
        ({"a": {"uniform": [0, 1]}}, 5, 5),
        ({"a": {"grid_search": [1, 2, 3]}}, 5, 3),
        ({"a": {"grid_search": [1, 2, 3]}, "b": {"uniform": [0, 1]}}, 5, 15),
        ({"a": {"choice": [1, 2, 3]}}, 5, 3),
        ({"a": {"choice": [1, 2, 3]}, "b": {"randint": [0, 4]}}, 5, 5),
        ({"a": {"choice": [1, 2, 3]}, "b": {"grid_search": [1, 2]}}, 5, 6),
        ({"a": {"quniform": [0, 1, 0.25]}}, 50, 5),
    ],
    ids=str,
)
def test_the_budget_counts_different_settings(activation, samples, trials):
    assert space({name: parse(raw) for name, raw in activation.items()}, {}).trials(samples) == trials


# The ready spaces and the tables that spare a login node torch.


def constructor(name):
    module, _, attribute = catalogue.ACTIVATIONS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def test_the_table_of_parameters_is_that_of_the_classes():
    assert set(PARAMETERS) == set(catalogue.ACTIVATIONS)
    for name, known in PARAMETERS.items():
        has_own = constructor(name).__init__ is not constructor("relu").__init__
        signature = inspect.signature(constructor(name)) if has_own else inspect.Signature()
        accepted = [parameter for parameter in signature.parameters if parameter not in ("channels", "feature_axis")]
        assert list(known) == accepted, name


NUMBERS = (-1.0, 0, 0.0, 1e-7, 0.5, 1, 2.0, 1e9, math.nan, math.inf)
WORDS = ("none", "tanh", "layer", "chanel", "epoch", "step", "epochs", "released", "constant", "0.1")
VALUES = (*NUMBERS, True, False, None, *WORDS)


@pytest.mark.parametrize(("name", "parameter"), [(name, each) for name, known in PARAMETERS.items() for each in known])
def test_the_table_takes_the_values_that_the_classes_take(name, parameter):
    company = {"progress": "constant"} if parameter == "t" else {}
    for value in VALUES:
        said = {}
        for who, take in (
            ("class", lambda given: constructor(name)(**company, **given)),
            (
                "table",
                lambda given: PARAMETERS[name][parameter](constructor(name).__name__, *next(iter(given.items()))),
            ),
        ):
            try:
                take({parameter: value})
                said[who] = "taken"
            except ValueError as error:
                said[who] = str(error)
        assert said["class"] == said["table"], value


@pytest.mark.parametrize("name", sorted(SPACES))
def test_the_ends_of_a_ready_space_are_accepted_by_the_activation(name):
    for default in SPACES[name]:
        for value in default.domain.extremes():
            constructor(name)(**{default.parameter: value})


def test_ready_spaces_hold_what_was_published():
    published = {
        ("dsrelu", "a"): [math.tan(math.radians(angle)) for angle in (70, 75, 80)],
        ("dsrelu", "b"): [math.tan(math.radians(angle)) for angle in (15, 30, 35)],
        ("dsrelu", "k"): [5, 10],
        ("apalu", "a"): [0.55],
        ("apalu", "b"): [0.065],
        ("lelu", "beta"): [0.3, 0.4, 0.6],
        ("alrelu", "alpha"): [0.01],
    }
    for (name, parameter), values in published.items():
        low, high = next(item.domain for item in SPACES[name] if item.parameter == parameter).extremes()
        assert all(low < value < high for value in values), (name, parameter)


def test_a_ready_space_says_why():
    assert [name for name, _, _ in explain("dsrelu")] == ["a", "b", "k"]
    assert explain("relu") == []
    for name in SPACES:
        for parameter, domain, reason in explain(name):
            assert parameter in PARAMETERS[name]
            assert isinstance(domain, Domain)
            assert len(reason) > 40
            assert reason.endswith((".", ")"))


def test_the_reasons_of_steepness_are_arithmetic():
    """s(t) goes from a to b along a logistic: how far it gets at k = 1, and how fast at k = 20."""

    def way(t, k):
        return 1 / (1 + math.exp(-k * (t - 0.5)))

    assert way(1, 1) - way(0, 1) == pytest.approx(0.245, abs=0.001)
    assert way(0.625, 20) - way(0.375, 20) == pytest.approx(0.848, abs=0.001)
    assert tan_degrees(45) == pytest.approx(1)
