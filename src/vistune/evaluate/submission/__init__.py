"""Official submission files of the splits whose answers are not public."""

from vistune.evaluate.submission.write import write_submission

__all__ = ["write_submission"]
