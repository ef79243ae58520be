"""Two pages for the end of the day: `course demo` compares models on one's own text,
`course leaderboard` those of a class.

Both run on this machine alone: at the loopback address, without analytics, fonts or scripts from elsewhere.
"""
