"""Answers judged by a language model: LLaVA-Bench's reviews, their summary, and ScienceQA with a second model."""
