"""Official submission files of the splits whose answers are not public."""

from vistune.evaluate.submission.write import submission_suffix, write_submission

__all__ = ["submission_suffix", "write_submission"]
