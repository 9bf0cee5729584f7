"""Wrong settings are one line that names the field, what was expected and what was got; right ones keep their type."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lottery_utils.errors import UserError
from lottery_utils.presets import get_preset

WRONG = [
    ({"epohcs": 3}, "unknown override 'epohcs'; valid fields: model, data, tasks"),
    ({"name": "mine"}, "unknown override 'name'; valid fields: model"),
    ({3: 3}, "unknown override 3; valid fields"),
    ({"epochs": "3"}, "epochs must be a valid integer, got '3'"),
    ({"epochs": True}, "epochs must be a valid integer, got True"),
    ({"epochs": 2.0}, "epochs must be a valid integer, got 2.0"),
    ({"epochs": 0}, "epochs must be greater than 0, got 0"),
    ({"learning_rate": float("nan")}, "learning_rate must be a finite number, got nan"),
    ({"learning_rate": float("inf")}, "learning_rate must be a finite number, got inf"),
    ({"learning_rate": 10**400}, "learning_rate must be a valid number, got 1000"),
    ({"dropout": "0.1"}, "dropout must be a valid number, got '0.1'"),
    ({"learning_rate": "2e-5"}, "must be a valid number, got '2e-5'; it is a text: write a number"),
    ({"warmup": 1}, "warmup must be less than 1, got 1"),
    ({"head_step": 3}, "head_step must be less than 1, got 3"),
    ({"threshold": 0}, "threshold must be greater than 0, got 0"),
    ({"landscape_grid": 2}, "landscape_grid must be greater than or equal to 3, got 2"),
    ({"precision": "fp16"}, "precision must be 'auto', 'fp32' or 'bf16', got 'fp16'"),
    ({"methods": ["x"]}, "methods, item 1, must be 'structured' or 'magnitude', got 'x'"),
    ({"methods": "structured"}, "methods must be a list, got 'structured'"),
    ({"subnetworks": ["good", "good"]}, "subnetworks must list no value twice, got ['good', 'good']"),
    ({"seeds": []}, "seeds must have at least 1 item, got []"),
    ({"seeds": [1, "3"]}, "seeds, item 2, must be a valid integer, got '3'"),
    ({"seeds": [True]}, "seeds, item 1, must be a valid integer, got True"),
    ({"seeds": [2**31]}, "seeds, item 1, must be less than or equal to 2147483647"),
    ({"seeds": {1: 2}}, "seeds must be a list, got {1: 2}"),
    ({"head_norms": 1}, "head_norms must be a valid boolean, got 1"),
    ({"model": " "}, "model must name something, got ' '"),
    ({"model": None}, "model must be a valid string, got None"),
    ({"hans": "a\0"}, "hans 'a\\x00' is no path"),
    ({"score": "size"}, "score: unknown value 'size'; valid: gate, taylor"),
    ({"importance_batch": 8}, "importance_batch has no effect on importance exact; set importance to"),
    ({"importance": "released", "score": "taylor"}, "leave one of them at its default"),
]


@pytest.mark.parametrize(("overrides", "message"), WRONG)
def test_a_wrong_setting_is_one_line(overrides, message):
    with pytest.raises(UserError) as caught:
        get_preset("demo", overrides)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_whole_numbers_become_floats_and_lists_tuples_and_nothing_else_changes():
    given = {"learning_rate": 1, "seeds": [2, 1], "dropout": None, "held_out": 0.5, "train_limit": 7}
    preset = get_preset("laptop", given)
    values = [getattr(preset, name) for name in given]
    assert values == [1.0, (2, 1), None, 0.5, 7] and type(values[0]) is float
    assert get_preset("laptop", {name: getattr(preset, name) for name in given}) == preset


def test_the_command_starts_without_pydantic():
    code = "import sys, lottery_utils.cli; print('pydantic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout == "False\n"
