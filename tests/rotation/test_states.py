"""What a rotation does next, for every combination of step states there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import (
    AdminNotPermitted,
    CertificateRefused,
    NotFound,
    OutsideError,
    PasswordRefused,
    Refused,
    RightMissing,
    SignInRefused,
    TenantNotPermitted,
)
from bot.rotation.states import MOST_TRIES, UNTOUCHED, Move, StepView, decide, status_of
from storage.models import RotationState, Status, TaskState

STEP_STATES = [state for state in TaskState if state is not TaskState.DONE]
OPEN = [RotationState.PLANNED, RotationState.ROTATING, RotationState.PUTTING_BACK]
UNDER_WAY = {
    TaskState.APPLYING,
    TaskState.APPLIED,
    TaskState.PUTTING_BACK,
}
ENDS = {Move.FINISH, Move.END_REFUSED, Move.END_PUT_BACK, Move.STICK}

steps = st.lists(
    st.builds(
        StepView,
        state=st.sampled_from(STEP_STATES),
        taken=st.booleans(),
        can_be_put_back=st.booleans(),
        tries=st.integers(0, MOST_TRIES + 1),
    ),
    max_size=5,
)
states = st.sampled_from(OPEN)


@given(states, steps)
def test_every_combination_has_an_answer(state: RotationState, views: list[StepView]) -> None:
    assert decide(state, views) in Move


@given(states, steps)
def test_nothing_ends_while_a_write_is_under_way(state: RotationState, views: list[StepView]) -> None:
    if any(view.state in UNDER_WAY for view in views):
        assert decide(state, views) not in ENDS | {Move.PUT_BACK, Move.RETRY, Move.NEXT}


@given(states, steps)
def test_it_finishes_only_when_every_account_was_proved(state: RotationState, views: list[StepView]) -> None:
    if decide(state, views) is Move.FINISH:
        assert views
        assert all(view.state is TaskState.CONFIRMED for view in views)
        assert state is not RotationState.PUTTING_BACK


@given(states, steps)
def test_it_is_refused_only_when_nothing_was_taken(state: RotationState, views: list[StepView]) -> None:
    if decide(state, views) is Move.END_REFUSED:
        assert not any(view.taken for view in views)
        assert any(view.state is TaskState.REFUSED for view in views)


@given(states, steps)
def test_it_is_put_back_only_when_all_that_took_it_are(state: RotationState, views: list[StepView]) -> None:
    if decide(state, views) is Move.END_PUT_BACK:
        assert all(view.state is TaskState.PUT_BACK for view in views if view.taken)
        assert not any(view.state is TaskState.UNKNOWN for view in views)


@given(states, steps)
def test_putting_back_begins_only_where_every_way_back_is_proved(state: RotationState, views: list[StepView]) -> None:
    if decide(state, views) is Move.PUT_BACK:
        assert any(view.taken for view in views)
        assert all(view.can_be_put_back for view in views if view.taken)
        assert any(view.state is TaskState.REFUSED for view in views)


@given(states, steps)
def test_what_is_unknown_is_never_acted_on(state: RotationState, views: list[StepView]) -> None:
    if any(view.state is TaskState.UNKNOWN for view in views):
        assert decide(state, views) in (Move.WAIT, Move.STICK)


@given(steps)
def test_the_next_account_begins_only_when_those_before_it_are_proved(views: list[StepView]) -> None:
    if decide(RotationState.ROTATING, views) is Move.NEXT:
        assert any(view.state is TaskState.CHECKED for view in views)
        others = {view.state for view in views} - {TaskState.CHECKED}
        assert not others & {TaskState.WAITING, TaskState.READY, TaskState.REFUSED, TaskState.UNKNOWN, *UNDER_WAY}


@given(states, steps)
def test_waiting_means_that_something_is_due(state: RotationState, views: list[StepView]) -> None:
    """Else it would stay open for ever."""
    if decide(state, views) is Move.WAIT:
        due = UNDER_WAY | {TaskState.WAITING, TaskState.READY, TaskState.PUT_BACK_READY}
        assert any(view.state in due for view in views)


@given(steps)
def test_trying_again_is_bounded(views: list[StepView]) -> None:
    refused = [view for view in views if view.state is TaskState.REFUSED]
    if decide(RotationState.ROTATING, views) is Move.RETRY:
        assert all(view.tries < MOST_TRIES for view in refused)
        assert any(view.taken for view in views)


def test_untouched_steps_are_those_before_the_first_write() -> None:
    assert frozenset({TaskState.WAITING, TaskState.CHECKED, TaskState.READY}) == UNTOUCHED


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SignInRefused("x"), Status.API_ERROR),
        (CertificateRefused("x"), Status.API_ERROR),
        (NotFound("x"), Status.API_ERROR),
        (RightMissing("x"), Status.API_ERROR),
        (AdminNotPermitted("x"), Status.ADMIN_NOT_PERMITTED),
        (TenantNotPermitted("x"), Status.MULTI_TENANT_NOT_PERMITTED),
        (PasswordRefused("x"), Status.FAILED),
        (Refused("x"), Status.FAILED),
    ],
)
def test_each_refusal_has_its_word(error: OutsideError, status: Status) -> None:
    assert status_of(error) is status
