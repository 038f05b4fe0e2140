"""Official submission files of the splits whose answers are not public."""

from vistune.evaluate.submission.write import check_submission, submission_name, write_submission

__all__ = ["check_submission", "submission_name", "write_submission"]
