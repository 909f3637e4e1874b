"""`rekey demo`: a guided tour on a practice company; touches nothing of yours."""


def demo() -> None:
    """Take a guided tour of Rekey.

    On a practice company, in the terminal. Nothing of yours is touched.
    """
    from bot.demo import tour  # only here: the pretend world is no part of any other command

    tour.run()
