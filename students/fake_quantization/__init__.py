"""Training with the rounding of int8 (Q8BERT, Zafrir et al. 2019, arXiv:1910.06188)."""

from students.fake_quantization.attaching import attach, detach, is_attached
from students.fake_quantization.ranges import load_ranges, ranges_of, read_calibration, read_ranges, write_ranges
from students.fake_quantization.settings import Settings

__all__ = [
    "Settings",
    "attach",
    "detach",
    "is_attached",
    "load_ranges",
    "ranges_of",
    "read_calibration",
    "read_ranges",
    "write_ranges",
]
