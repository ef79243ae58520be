"""What is measured: scores with their n and interval, forgetting, memory, time and cost."""
