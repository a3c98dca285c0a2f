"""The gate's protocol as a small machine, to be searched through whole: two workers, one queue, one receiver.

Every step any of them can take is a transition, so that all interleavings are met: a worker that stands still between
any two steps while a takeover passes, a kill that loses a worker's memory but not what its kernel has still to write,
a reply that never comes, a statement that was carried out without an answer, and one that is carried out much later.
Leases and clocks are not trusted: a takeover may come at any moment.

It mirrors `gate_statement` (ask, recorded, ruled, moved), `claim`, `takeover` (raise, then close), `settle.resolve`
(late evidence) and `finish`. `Rules` leaves out one safeguard at a time: the search must then find the damage.
"""

from collections.abc import Iterator
from typing import NamedTuple

ACCEPTED, UNKNOWN = "accepted", "unknown"


class Rules(NamedTuple):
    """What the protocol keeps to, and how much may go wrong in one run."""

    messages: int = 2
    kills: int = 2
    takeovers: int = 3
    fence: bool = True
    durable_intent: bool = True
    raise_first: bool = True
    growing_token: bool = True
    hand_back: bool = True


class Worker(NamedTuple):
    """`step`: idle, ask (wants a grant for `at`), go (has it), wait (dot written), dead. `told` is only in memory."""

    step: str = "idle"
    epoch: int = 0
    token: int = 0
    todo: tuple[int, ...] = ()
    told: tuple[tuple[int, str], ...] = ()


class Question(NamedTuple):
    """A statement on its way: it settles, and asks for one intent."""

    epoch: int
    token: int
    told: tuple[tuple[int, str], ...]
    intent: int


class State(NamedTuple):
    """The row of the batch, the queue and the outcomes; the wire as (worker, message); what the receiver took."""

    workers: tuple[Worker, Worker]
    queue: tuple[int, ...]
    outcomes: tuple[str, ...]
    taken: tuple[int, ...]
    running: bool = False
    epoch: int = 0
    token: int = 0
    intent: int | None = None
    held: tuple[int, ...] = ()
    wire: tuple[tuple[int, int], ...] = ()
    late: Question | None = None
    raised: tuple[int, int | None] | None = None
    kills: int = 0
    takeovers: int = 0


class Found(NamedTuple):
    states: int
    damage: str


def search(rules: Rules) -> Found:
    """Every state that can be reached; stops at the first damage: duplicate, lost or false."""
    first = State((Worker(), Worker()), tuple(range(rules.messages)), ("",) * rules.messages, (0,) * rules.messages)
    seen, waiting = {first}, [first]
    while waiting:
        state = waiting.pop()
        if bad := damage(state):
            return Found(len(seen), bad)
        for following in steps(state, rules):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return Found(len(seen), "")


def damage(state: State) -> str:
    """What must never be: taken twice, said to be accepted though it was not, or in no place at all."""
    for message, outcome in enumerate(state.outcomes):
        if state.taken[message] > 1:
            return "duplicate"
        if outcome == ACCEPTED and not state.taken[message]:
            return "false"
        if not outcome and message not in state.queue and not (state.running and message in state.held):
            return "lost"
    return ""


def steps(state: State, rules: Rules) -> Iterator[State]:
    for number in range(len(state.workers)):
        yield from _of_worker(state, number, rules)
    yield from _of_the_wire(state)
    if state.late is not None:
        yield _carried_out(state, state.late, rules)[0]._replace(late=None)
    yield from _of_a_takeover(state, rules)


def _of_worker(state: State, number: int, rules: Rules) -> Iterator[State]:
    worker = state.workers[number]
    if worker.step == "dead":
        yield _with(state, number, Worker())
        return
    if state.kills < rules.kills:
        yield _with(state, number, Worker("dead"))._replace(kills=state.kills + 1)
    if worker.step == "idle" and not state.running and state.queue:
        claimed = Worker("ask", state.epoch + 1, 0, state.queue, ())
        yield _with(state, number, claimed)._replace(
            running=True, epoch=state.epoch + 1, token=0, intent=None, held=state.queue, queue=()
        )
    elif worker.step == "ask" and worker.todo:
        yield from _asks(state, number, rules)
    elif worker.step == "ask":
        yield _ends(state, number)
    elif worker.step == "go":
        yield _with(state, number, worker._replace(step="wait"))._replace(wire=(*state.wire, (number, worker.todo[0])))
    elif worker.step == "wait":
        yield _heard(state, number, UNKNOWN)  # the connection broke: nobody knows


def _asks(state: State, number: int, rules: Rules) -> Iterator[State]:
    """The statement is answered, or carried out unheard, or still on its way while it is asked again."""
    worker = state.workers[number]
    question = Question(worker.epoch, worker.token + 1, worker.told, worker.todo[0])
    after, granted = _carried_out(state, question, rules)
    if granted:
        yield _with(after, number, worker._replace(step="go", token=worker.token + 1, told=()))
    else:
        # Stale: what it still knows was handed in as evidence.
        yield _with(after, number, Worker())
    yield after
    if state.late is None:
        yield state._replace(late=question)


def _carried_out(state: State, asked: Question, rules: Rules) -> tuple[State, bool]:
    is_ours = state.running and (asked.epoch == state.epoch or not rules.fence)
    if rules.growing_token:
        is_ours = is_ours and state.token <= asked.token
    state = _settled(state, asked.told, is_ours=is_ours)
    if not is_ours:
        return state, False
    intent = asked.intent if rules.durable_intent else None
    return state._replace(intent=intent, token=asked.token), True


def _settled(state: State, told: tuple[tuple[int, str], ...], *, is_ours: bool) -> State:
    """Outcomes are written by the owner, or where the batch still names them as intent; evidence replaces `unknown`."""
    outcomes = list(state.outcomes)
    for message, kind in told:
        may_write = is_ours or (state.running and state.intent == message)
        if (not outcomes[message] and may_write) or (outcomes[message] == UNKNOWN and kind == ACCEPTED):
            outcomes[message] = kind
    return state._replace(outcomes=tuple(outcomes))


def _ends(state: State, number: int) -> State:
    worker = state.workers[number]
    is_ours = state.running and worker.epoch == state.epoch
    state = _with(_settled(state, worker.told, is_ours=is_ours), number, Worker())
    return _closed(state) if is_ours else state


def _closed(state: State, *, hand_back: bool = True) -> State:
    back = tuple(message for message in state.held if not state.outcomes[message])
    queue = tuple(sorted({*state.queue, *back})) if hand_back else state.queue
    return state._replace(running=False, intent=None, held=(), queue=queue)


def _of_the_wire(state: State) -> Iterator[State]:
    """The receiver takes what arrives, and its reply arrives or not; or the message never arrives."""
    for place, (number, message) in enumerate(state.wire):
        rest = state._replace(wire=state.wire[:place] + state.wire[place + 1 :])
        yield rest
        counts = list(state.taken)
        counts[message] += 1
        took = rest._replace(taken=tuple(counts))
        yield took
        worker = state.workers[number]
        if worker.step == "wait" and worker.todo[0] == message:
            yield _heard(took, number, ACCEPTED)


def _heard(state: State, number: int, kind: str) -> State:
    worker = state.workers[number]
    told = (*worker.told, (worker.todo[0], kind))
    return _with(state, number, worker._replace(step="ask", todo=worker.todo[1:], told=told))


def _of_a_takeover(state: State, rules: Rules) -> Iterator[State]:
    """Two transactions: raise the epoch; then read the intent and give everybody back."""
    if state.raised is not None:
        yield _taken_over(state, rules)
    elif state.running and state.takeovers < rules.takeovers:
        epoch = state.epoch + 1 if rules.raise_first else state.epoch
        yield state._replace(epoch=epoch, raised=(epoch, state.intent), takeovers=state.takeovers + 1)


def _taken_over(state: State, rules: Rules) -> State:
    epoch, intent_before = state.raised or (0, None)
    state = state._replace(raised=None)
    if not state.running or state.epoch != epoch:
        return state
    intent = state.intent if rules.raise_first else intent_before
    if intent is not None and not state.outcomes[intent]:
        outcomes = list(state.outcomes)
        outcomes[intent] = UNKNOWN
        state = state._replace(outcomes=tuple(outcomes))
    if not rules.raise_first:
        state = state._replace(epoch=state.epoch + 1)
    return _closed(state, hand_back=rules.hand_back)


def _with(state: State, number: int, worker: Worker) -> State:
    workers = list(state.workers)
    workers[number] = worker
    return state._replace(workers=(workers[0], workers[1]))
