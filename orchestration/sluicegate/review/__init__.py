"""What a pull request is answered: whether it may be merged, what refuses it, and who has to approve what.

Belongs here: the rules, what they are asked of, and the comment. Does not belong here: what each of them asks
(`project`, `columns`, `environments`, `comparing`), commands (`cli`). Nothing here writes to production.
"""
