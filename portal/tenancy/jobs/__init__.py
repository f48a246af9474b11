"""Long work: asked for by a verb, done in steps by a worker, left and found again.

A step reads a stretch, writes a piece of the file and where the next one begins, in one
transaction that holds the job's row. So a worker that is killed loses one step at most, whoever
takes over repeats nothing, and two that work at the same job only take turns.
"""
