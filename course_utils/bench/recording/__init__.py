"""`course record gpu`: what a card makes of the performance track, in small files that lessons read.

    story     the story's script, one place mended after the other: dialogues a second, losses, peak memory
    trace     one step under the profiler, of three versions: kernels, copies and regions
    memory    what the allocator gave out and took back in one step
    meter     nvidia-smi beside the story: use, memory, power, clock

Each file says the card, the versions and the date, and whether it is a dry run, which proves that the script
works and nothing else: it takes the twin instead of a Flan-T5-base, runs on the CPU, and is never committed.
"""
