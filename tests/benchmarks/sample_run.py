"""FIXTURE: made-up records in the shape of run.json. No number in here was measured; none may be quoted."""

import math
from typing import Any


def score(metric: str, value: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    base = {"metric": metric, "value": value, "low": low, "high": high, "metrics": {metric: value}}
    return base | {"agreement": None, "kl": None, "calibration_error": None} | more


def history(stage: str, steps: int, every: int, seed: int = 0, **losses: float) -> list[dict[str, Any]]:
    """Curves that fall from each loss's start value, with a wobble instead of noise."""
    entries = []
    for step in range(every, steps + 1, every):
        fall = math.exp(-2.5 * step / steps)
        values = {
            name: start * (0.25 + 0.75 * fall) * (1 + 0.06 * math.sin(step / every * 1.7 + index + 2 * seed))
            for index, (name, start) in enumerate(losses.items())
        }
        entries.append(
            {
                "stage": stage,
                "step": step,
                "loss": sum(values.values()),
                **values,
                "learning_rate": 3e-5 * (1 - step / steps),
            }
        )
    return entries


def model(name: str, layers: int, hidden: int, feed_forward: int, sizes: tuple[int, int, int]) -> dict[str, Any]:
    return {
        "name": name,
        "architecture": "bert",
        "layers": layers,
        "hidden": hidden,
        "heads": 12,
        "feed_forward": feed_forward,
        "vocabulary": 30522,
        "parameters": sizes[0],
        "parameters_without_embeddings": sizes[1],
        "flops_at_128": sizes[2],
    }


def _latency() -> dict[str, Any]:
    p50 = {"teacher fp32": 6.12, "teacher int8": 3.06, "student fp32": 2.45, "student int8": 1.2}
    rows = [
        {
            "model": name,
            "length": length,
            "p50_ms": time * length / 32,
            "p95_ms": 1.11 * time * length / 32,
            "samples": 144,
        }
        for name, time in p50.items()
        for length in (16, 32, 128)
    ]
    return {"threads": 1, "batch": 1, "rounds": 12, "rows": rows}


def _artefacts() -> list[dict[str, Any]]:
    def parity(logit: float, drop: float, agreement: float) -> dict[str, Any]:
        return {"max_logit_difference": logit, "metric_drop": drop, "agreement": agreement, "refused": False}

    return [
        {"name": "student weights", "path": "student/model.safetensors", "bytes": 57_400_000, "parity": None},
        {
            "name": "student fp32",
            "path": "student/model.onnx",
            "bytes": 57_600_000,
            "parity": parity(2.1e-6, 0.0, 1.0),
        },
        {
            "name": "student int8",
            "path": "student/model-int8.onnx",
            "bytes": 10_100_000,
            "parity": parity(0.21, 0.0034, 0.9851),
        },
        {
            "name": "teacher fp32",
            "path": "teacher/model.onnx",
            "bytes": 90_900_000,
            "parity": parity(3.4e-6, 0.0, 1.0),
        },
    ]


def _seed(number: int, shift: float) -> dict[str, Any]:
    return {
        "seed": number,
        "student": score(
            "accuracy",
            0.8853 + shift,
            0.8635 + shift,
            0.9071 + shift,
            agreement=0.9438,
            kl=0.0617,
            calibration_error=0.0312,
        ),
        "control": score(
            "accuracy",
            0.8716 + shift / 2,
            0.8486,
            0.8945,
            agreement=0.9151,
            kl=0.1438,
            calibration_error=0.0672,
        ),
        "stages": [
            {"name": "layers", "seconds": 141.2, "steps": 1052, "resumed": False},
            {"name": "task", "seconds": 300.1, "steps": 2105, "resumed": number == 1},
        ],
        "history": [
            *history("layers", 1052, 50, number, hidden_states=1.9 + shift, attention_scores=0.7, embeddings=0.012),
            *history("task", 2105, 50, number, soft_targets=0.44 + shift, hard_labels=0.61),
        ],
        "control_history": [*history("task", 2105, 50, number, hard_labels=0.66)],
    }


def classification_run() -> dict[str, Any]:
    """A record with every block: int8 keeps 0.8761 / 0.9014 at 6.12 / 1.2 ms and 90.9 / 10.1 MB."""
    return {
        "schema": 1,
        "command": "python -m distill.run --teacher minilm --student tiny --data data/sst2 --recipe tinybert "
        "--control --seeds 3 --out runs/sst2-tiny",
        "created": "2026-11-21T10:00:00+00:00",
        "wall_seconds": 1512.4,
        "environment": {
            "pocketbert": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0+cpu",
            "transformers": "5.23.0",
            "onnx": "1.23.0",
            "onnxruntime": "1.31.0",
            "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
            "processor": "AMD EPYC",
            "cores": 2,
            "memory_gib": 23.4,
            "threads": 2,
            "commit": None,
        },
        "config": {
            "teachers": ["minilm"],
            "student": "tiny",
            "data": "data/sst2",
            "seeds": 3,
            "control": True,
            "max_length": 128,
            "unlabelled": None,
        },
        "recipe": {
            "name": "tinybert",
            "paper": "arXiv:1909.10351",
            "stages": [
                {
                    "name": "layers",
                    "objectives": {"hidden_states": 1.0, "attention_scores": 1.0, "embeddings": 1.0},
                    "epochs": 0.5,
                },
                {
                    "name": "task",
                    "objectives": {"soft_targets": {"weight": 0.5, "temperature": 2.0}, "hard_labels": 0.5},
                    "epochs": 1,
                },
            ],
        },
        "data": {
            "name": "sst2",
            "source": "data/sst2",
            "kind": "classification",
            "metric": "accuracy",
            "labels": ["negative", "positive"],
            "rows": {"train": 67349, "unlabelled": 0, "evaluation": 872},
            "text_columns": ["sentence"],
            "messages": ["text column: sentence (the only one with words)", "label column: label"],
        },
        "models": {
            "teacher": model("minilm", 6, 384, 1536, (22_713_986, 10_795_778, 2_870_000_000)),
            "student": model("tiny", 4, 312, 1200, (14_350_874, 4_769_810, 1_250_000_000)),
        },
        "initialisation": {
            "method": "cut",
            "description": "Cut out of the teacher: 312 of 384 residual dimensions, 26 of 32 a head, "
            "1200 of 1536 feed-forward neurons.",
            "layers": [0, 2, 3, 5],
        },
        "alignment": [
            "hidden states: student layers 1-4 with teacher layers 1, 3, 4, 6 through a 312->384 projection",
            "attention scores: the same layers, 12 heads with 12 heads",
            "logits: temperature 2",
        ],
        "seeds": [_seed(0, 0.0), _seed(1, 0.006), _seed(2, -0.003)],
        "quality": {
            "teacher": score("accuracy", 0.9014, 0.8807, 0.9209, calibration_error=0.0411),
            "student": score("accuracy", 0.8853, 0.8635, 0.9071, agreement=0.9438, kl=0.0617, calibration_error=0.0312),
            "control": score("accuracy", 0.8716, 0.8486, 0.8945, agreement=0.9151, kl=0.1438, calibration_error=0.0672),
            "student_fp32_onnx": score(
                "accuracy", 0.8853, 0.8635, 0.9071, agreement=0.9438, kl=0.0617, calibration_error=0.0312
            ),
            "student_int8_onnx": score(
                "accuracy", 0.8761, 0.8544, 0.8979, agreement=0.9369, kl=0.0731, calibration_error=0.0329
            ),
            "comparisons": {
                "student_minus_teacher": {"difference": -0.0161, "low": -0.0310, "high": -0.0011},
                "student_minus_control": {"difference": 0.0137, "low": -0.0046, "high": 0.0321},
                "int8_minus_student": {"difference": -0.0092, "low": -0.0195, "high": 0.0011},
            },
        },
        "summary_over_seeds": {
            "student": {"mean": 0.8863, "std": 0.0046, "values": [0.8853, 0.8913, 0.8823]},
            "control": {"mean": 0.8721, "std": 0.0023, "values": [0.8716, 0.8746, 0.8701]},
            "difference": {"mean": 0.0142, "low": 0.0043, "high": 0.0241, "p_value": 0.0256},
        },
        "artefacts": _artefacts(),
        "latency": _latency(),
        "disagreements": [
            {
                "text": "it 's a charming and often affecting journey , <script>alert(1)</script> "
                "that never quite knows when to stop",
                "text_pair": None,
                "label": "positive",
                "teacher": "positive",
                "teacher_confidence": 0.971,
                "student": "negative",
                "student_confidence": 0.613,
            },
            {
                "text": "unflinchingly bleak and desperate " * 14,
                "text_pair": None,
                "label": "negative",
                "teacher": "positive",
                "teacher_confidence": 0.55,
                "student": "negative",
                "student_confidence": 0.88,
            },
            {
                "text": "a-very-long-token-without-any-space-" * 6,
                "text_pair": "with a second sentence",
                "label": "positive",
                "teacher": "positive",
                "teacher_confidence": 0.83,
                "student": "negative",
                "student_confidence": 0.52,
            },
        ],
        "warnings": ["latency p95 is 1.9 times p50 for student int8 at 16 tokens: the machine was busy"],
    }


def regression_run() -> dict[str, Any]:
    """A record of a sentence-pair regression: one seed, no int8 file, no control."""
    run = classification_run()
    quality = {
        "teacher": score("pearson", 0.8712, 0.8561, 0.8849, metrics={"pearson": 0.8712, "spearman": 0.8689}),
        "student": score(
            "pearson",
            0.8401,
            0.8222,
            0.8563,
            metrics={"pearson": 0.8401, "spearman": 0.8377},
        ),
    }
    quality["student_fp32_onnx"] = quality["student"]
    seed = {
        "seed": 0,
        "student": quality["student"],
        "control": None,
        "stages": [{"name": "task", "seconds": 41.0, "steps": 540, "resumed": False}],
        "history": history("task", 540, 20, soft_targets=1.3),
        "control_history": [],
    }
    artefacts = [item for item in run["artefacts"] if item["name"] != "student int8"]
    for item in artefacts:
        item["parity"] = item["parity"] and item["parity"] | {"agreement": None}
    change = {"difference": -0.0311, "low": -0.0402, "high": -0.0228}
    return run | {
        "data": run["data"]
        | {
            "name": "sts",
            "kind": "regression",
            "metric": "pearson",
            "labels": [],
            "text_columns": ["sentence1", "sentence2"],
        },
        "seeds": [seed],
        "quality": quality
        | {"control": None, "comparisons": {"student_minus_teacher": change, "student_minus_control": None}},
        "summary_over_seeds": None,
        "artefacts": artefacts,
        "latency": run["latency"] | {"rows": [row for row in run["latency"]["rows"] if row["model"] != "student int8"]},
        "disagreements": [
            {
                "text": "A man is playing a flute.",
                "text_pair": "A man is playing a <b>bamboo</b> flute & singing.",
                "label": "3.75",
                "teacher": "3.61",
                "teacher_confidence": None,
                "student": "2.20",
                "student_confidence": None,
            }
        ],
        "warnings": [],
    }
