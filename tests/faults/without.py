"""The engine without one of its safeguards. A harness that then finds nothing proves nothing."""

import time
from collections.abc import Callable


def without_intent() -> None:
    """Dots leave at once; what is on the wire is written down nowhere."""
    from sending.gate import Gate
    from sending.gate_questions import GRANTED, Answer, Question, Ticket

    ask: Callable[..., Ticket] = Gate.ask

    def granted_at_once(self: Gate, question: Question) -> Ticket:
        ticket = ask(self, question.without_intent())
        if question.intent is None:
            return ticket
        seen = ticket.wait(5)
        granted = Ticket(question)
        granted.reply(Answer(GRANTED, seen.gap, seen.yield_requested, seen.mailing_state, time.monotonic()))
        return granted

    setattr(Gate, "ask", granted_at_once)  # noqa: B010


SAFEGUARDS = {"intent": without_intent}
