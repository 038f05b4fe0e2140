"""Evaluation: scoring answers, floors to compare with, figures by task."""
