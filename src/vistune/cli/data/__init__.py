"""`vistune data`: list, check, preview, build and compare data sets."""
