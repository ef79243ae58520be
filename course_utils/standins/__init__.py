"""Stand-ins of the catalog's repositories: what the hub profile would download, where there is no network.

A stand-in has its repository's id, revision, file names, columns, label names, numbers of rows and order of
rows, and the architecture and vocabulary of its model. Its weights are random, its texts are the offline
world's, joined to the real lengths, and it is narrower and has fewer layers. So it shows that a notebook runs
in the hub profile, and nothing about what a real model would say.

    text        sentences of the world, joined to a length
    rows        each dataset's rows
    datasets    those rows as the files of its repository
    tokenizers  vocabularies of the real sizes
    models      configurations and random weights as the files of a repository
    shelf       all of them on this machine, made once
    serving     a Hub that serves them under their ids and revisions
    budgets     the cell that cuts the hub profile's budget
"""
