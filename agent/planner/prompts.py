"""Every sentence that is ever sent to a model."""


def predicate_question(words: str) -> str:
    return f'The robot was told to "{words}". Judging by the picture taken afterwards, it is now done.'
