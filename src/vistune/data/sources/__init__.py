"""Data sources, one small file each: whatever stands on disk or is made up, as Examples."""
