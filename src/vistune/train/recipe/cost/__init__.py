"""What a recipe costs: sizes, FLOPs, memory and time, by arithmetic on configurations, without data, torch or GPU."""
