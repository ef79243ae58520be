"""Every claim that is measured: what the lessons say, what the checks catch,
what the grader and the Hub bear.
"""
