"""One model, or another system's answers, on benchmarks: asked, kept, scored and written down."""
