"""What lessons import: measuring models, forgetting, memory and time, and drawing the results."""
