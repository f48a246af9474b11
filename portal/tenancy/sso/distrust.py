"""Why a provider's word is not taken."""


class Distrust(Exception):
    """What came from a provider is not believed. The text is ours, and repeats nothing of theirs.

    It is told to who signs in, and recorded: without it nobody could mend a provider's set-up.
    """
