"""Stands in for a package of that name, so that importing nbformat takes half a second and not three or four.

jsonschema takes the package where it is installed, to check texts that a schema calls an IRI, and importing
it builds 38 grammars. Nobody here asks for that format, but every process that reads a notebook would pay.
jsonschema does without it where it cannot be imported. Ray's processes are among those: a raylet gives its
agents fifteen seconds to come up, no more (ray-project/ray issue 65983), so on a busy machine a node would
not start.
"""

raise ImportError("the course does without it")
