"""What a window shows in the end is what was entered last, whichever redraw arrives when."""

from threading import Event, Thread

from handlers.redrawing import Redraws


def test_an_earlier_redraw_that_comes_late_is_left_out() -> None:
    redraws, shown = Redraws(), list[str]()
    redraws.draw("V1", 2.0, lambda: shown.append("later"))
    redraws.draw("V1", 1.0, lambda: shown.append("earlier"))
    redraws.draw("V2", 1.0, lambda: shown.append("another window"))
    redraws.draw("V1", 3.0, lambda: shown.append("latest"))
    assert shown == ["later", "another window", "latest"]


def test_a_later_redraw_waits_for_the_one_on_its_way() -> None:
    redraws, shown = Redraws(), list[str]()
    sending, arrives = Event(), Event()

    def slow() -> None:
        sending.set()
        assert arrives.wait(10)
        shown.append("earlier")

    first = Thread(target=redraws.draw, args=("V1", 1.0, slow))
    first.start()
    assert sending.wait(10)
    second = Thread(target=redraws.draw, args=("V1", 2.0, lambda: shown.append("later")))
    second.start()
    arrives.set()
    first.join(10)
    second.join(10)
    assert shown == ["earlier", "later"]
