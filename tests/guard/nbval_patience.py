"""A pytest plugin for runs of notebooks with nbval: a cell's outputs may come late on a busy machine.

nbval itself waits 5 seconds for them once the kernel has said that the cell is done, and has no option for that.
"""

SECONDS = 600


def pytest_collection_modifyitems(items):
    for item in items:
        item.output_timeout = SECONDS
