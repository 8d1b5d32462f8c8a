"""Small task files of the real shapes."""

import json

POSITIVE = [
    "a moving film",
    "funny , warm and wise",
    'she said " yes " and it works',
    "full of charm",
    "a joy to watch",
]
NEGATIVE = ["a dull mess", "it never comes alive", "flat and far too long", "without wit or heart", "a waste of time"]


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def sentiment_lines(repeat=1):
    rows = [(text, 1) for text in POSITIVE] + [(text, 0) for text in NEGATIVE]
    return [f"{text} {turn}\t{label}" for turn in range(repeat) for text, label in rows]


def sentiment_folder(folder, repeat=4):
    write(folder / "train.tsv", "sentence\tlabel", *sentiment_lines(repeat))
    write(folder / "dev.tsv", "sentence\tlabel", "a fine film\t1", "a poor film\t0")
    return folder


def jsonl(path, records):
    return write(path, *(json.dumps(record) for record in records))
