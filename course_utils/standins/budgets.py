"""The cell that stands before a notebook in a rehearsal: it cuts the budget and nothing else."""

#: What a rehearsal trains with, whatever the device.
CUT = {
    "train_rows": 64,
    "eval_rows": 16,
    "train_batch_size": 4,
    "eval_batch_size": 8,
    "train_steps": 4,
}


def cell() -> str:
    """The source of the cell."""
    numbers = ", ".join(f"{name}={value}" for name, value in CUT.items())
    return (
        "import course_utils.session as _session\n"
        "for _place in [each for each in _session.BUDGETS if each[0] == 'hub']:\n"
        f"    _session.BUDGETS[_place] = _session.Budget({numbers})\n"
    )
