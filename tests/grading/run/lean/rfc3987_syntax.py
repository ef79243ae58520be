"""Not to be had in the processes of a test's Ray cluster, which do without it.

jsonschema, which each of Ray's processes imports, takes this package where it is. It builds a grammar when it is
imported, for three seconds of the processor, and a raylet gives its agents fifteen seconds to come up, no more
(ray-project/ray issue 65983): on a busy machine a node would not start.
"""

raise ImportError(__doc__)
