"""The sandbox around a learner's code.

Outside (trusted): `places` says what may be seen, `bubblewrap` writes the outer sandbox's
command line, `kinds` names the sandboxes and looks at what its canaries found.
Inside: `confine` shuts the forked child in (`landlock`, `seccomp`, limits, an ordinary
user), `canaries` try to get out.

Nothing is imported here: the inner half must not meet the outer one.
"""
