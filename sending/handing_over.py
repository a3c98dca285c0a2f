"""The loop of one connection: message after message, each behind the gate."""

import time
from collections import deque
from enum import Enum
from functools import partial
from itertools import islice

from django.conf import settings

from sending import draining, hearing, hub
from sending.flight_recorder import Slot
from sending.gate import Gate
from sending.gate_questions import FAILED, SILENT, STALE, Answer, Intent, Question, Ticket
from sending.letters import Writer
from sending.loading import Person
from sending.logbook import Logbook
from sending.models import OutcomeKind, Route, Stream
from sending.pure.dialogue import BadPath, SmtpReply
from sending.pure.personalise import PersonalisationFailed
from sending.pure.reactions import BEFORE_THE_MESSAGE
from sending.retrying import SITE_AGAIN, next_due
from sending.running_clock import RunningClock
from sending.transports import ConnectionLost, CouldNotOpen, Letter, NoAnswer, Refusal, Session, Transport

# How long a connection stands still for the gate before it takes its offer back.
GATE_SECONDS = 5.0
# An outcome that would wait longer than this for the next question is settled by itself.
SETTLE_BEFORE_SECONDS = 1.0
# Nothing is opened so long before it is needed.
OPEN_BEFORE_SECONDS = 2.0
# The offer is made a little before the dot is due, at most so much.
LONGEST_LEAD_SECONDS = 0.5
# At most so many letters are written at once, and no more than leave in this time: of hundreds of connections that
# mostly wait, each would else hold letters for seconds.
WRITTEN_AHEAD = 4
SOON_SECONDS = 0.5
LOST_IN_A_ROW = 3
MOST_RENEWALS = 5
SILENT_IN_A_ROW = 2
SILENT_PAUSE_SECONDS = 1.0


class Step(Enum):
    DONE = "this one has its outcome, or went back"
    AGAIN = "this one is still to be tried"


class Handover:
    """One batch's dialogue with its receivers."""

    def __init__(
        self,
        *,
        book: Logbook,
        gate: Gate,
        clock: RunningClock,
        writer: Writer,
        transport: Transport,
        slot: Slot,
        most_per_connection: int | None,
    ) -> None:
        self._book, self._gate, self._clock = book, gate, clock
        self._writer, self._transport, self._most = writer, transport, most_per_connection
        self._slot = slot
        self._batch = book.claimed.batch
        self._gap = self._batch.gap
        self._first_due = time.monotonic() + clock.seconds_until(self._batch.due_at)
        self._ends = time.monotonic() + clock.seconds_until(self._batch.deadline)
        self._last_dot: float | None = None
        # Seconds from one dot to the next, as the last two were.
        self._apart = SOON_SECONDS
        self._paused = 0.0
        self._lead = 0.0
        self._token = 0
        self._session: Session | None = None
        self._site = ""
        self._on_connection = 0
        self._lost = self._silent = 0
        self._written: dict[int, Letter] = {}
        self._queue: deque[Person] = deque()
        self._current: Person | None = None

    def run(self, people: deque[Person]) -> None:
        """Hand over until all are done or something says stop; the rest goes back into the queue. Whoever is done is
        taken out: hundreds of batches lie in memory."""
        self._queue = people
        began = time.monotonic()
        try:
            while self._queue and not self._must_end():
                self._current = person = self._queue.popleft()
                if self._one(person) is Step.AGAIN:
                    self._queue.appendleft(person)
                self._current = None
        except BaseException:
            self._push_away_the_poison()
            raise
        finally:
            self._hang_up()
            self._book.seconds = time.monotonic() - began - self._paused
            self._book.hand_back(list(self._queue), due_at=self._clock())

    def _must_end(self) -> bool:
        if not self._book.end_reason:
            if draining.is_draining():
                self._book.end_reason = "draining"
            elif time.monotonic() >= self._ends:
                self._book.end_reason = "deadline"
        return bool(self._book.end_reason)

    def _one(self, person: Person) -> Step:
        self._take(person)
        letter = self._letter(person)
        if letter is None:
            return Step.DONE
        if not self._wait_until(self._due() - OPEN_BEFORE_SECONDS):
            return Step.AGAIN
        session = self._session_for(person)
        if session is None:
            return Step.DONE
        if not self._wait_until(self._due() - self._lead):
            return Step.AGAIN
        try:
            return self._hand_over(person, letter, session)
        except ConnectionLost as error:
            return self._lose_connection(person, error)

    def _take(self, person: Person) -> None:
        mailing, batch, epoch = self._batch.mailing_id, self._batch.pk, self._book.claimed.epoch
        self._slot.takes(mailing=mailing, batch=batch, epoch=epoch, delivery=person.delivery, attempt=person.attempt)

    # -- One message ---------------------------------------------------------------------------------------------------

    def _hand_over(self, person: Person, letter: Letter, session: Session) -> Step:
        began = time.monotonic()
        question = self._question(person)
        ticket = self._gate.ask(question)
        try:
            session.offer(letter, at_once=self._due() <= began)
            refusal = session.hear_offer()
        except ConnectionLost:
            ticket.withdraw()
            self._wait_for(ticket)
            raise
        self._on_connection += 1
        if refusal is not None:
            ticket.withdraw()
            self._wait_for(ticket)
            return self._refused(person, refusal, session)
        answer = self._wait_for(ticket)
        if not answer.is_granted:
            return self._not_granted(person, answer, session)
        self._lead = min(time.monotonic() - began, LONGEST_LEAD_SECONDS)
        return self._send_content(person, letter, session, question, answer)

    def _send_content(
        self, person: Person, letter: Letter, session: Session, question: Question, answer: Answer
    ) -> Step:
        if not self._wait_until(self._due()):
            self._take_back(session)
            return Step.AGAIN
        if (refusal := session.begin_content()) is not None:
            return self._refused(person, refusal, session)
        session.send_ahead(letter)
        answer = self._kept_fresh(question, answer)
        if not answer.is_granted:
            # After 354 there is no way back but to drop the connection: never a dot.
            self._drop()
            return self._not_granted(person, answer, None)
        return self._send_dot(person, letter, session)

    def _kept_fresh(self, question: Question, answer: Answer) -> Answer:
        """A grant young enough for the dot, or what the gate says instead; it is as good as silent when it is slow."""
        for _ in range(MOST_RENEWALS):
            if not answer.is_granted or answer.is_fresh(monotonic=time.monotonic()):
                return answer
            answer = self._wait_for(self._gate.ask(question.renewed()))
        return Answer(SILENT)

    def _send_dot(self, person: Person, letter: Letter, session: Session) -> Step:
        """From here on an end without a reply means that nobody knows."""
        self._slot.writes_dot()
        try:
            session.send_content(letter)
            self._note_dot()
            self._write_next()
            reply = session.hear_content()
        except NoAnswer:
            self._note_dot()
            return self._answer_lost(person)
        except ConnectionLost:
            raise  # the dot surely did not leave
        except BaseException:
            self._answer_lost(person)
            self._current = None
            raise
        self._slot.hears(reply.code)
        self._lost = self._silent = 0
        self._heard(person, reply, "dot")
        return Step.DONE

    def _note_dot(self) -> None:
        now = time.monotonic()
        if self._last_dot is not None:
            self._apart = now - self._last_dot
        self._last_dot = now

    def _question(self, person: Person) -> Question:
        self._book.asked = person.delivery
        return self._put(
            Intent(
                delivery=person.delivery,
                attempt=person.attempt,
                key_then=person.key_then,
                key_now=person.key_now,
                via_scope=person.via_scope,
            )
        )

    def _put(self, intent: Intent | None) -> Question:
        self._token += 1
        return Question(
            batch=self._batch.pk,
            epoch=self._book.claimed.epoch,
            token=self._token,
            intent=intent,
            counters=self._book.counters.now(),
            settled=tuple(self._book.unsettled),
        )

    def _wait_for(self, ticket: Ticket) -> Answer:
        """The gate's answer. What it settled is durable then; without an answer it is asked again with the next."""
        answer = ticket.wait(GATE_SECONDS)
        if answer.verdict not in (SILENT, FAILED):
            # What was noted meanwhile stands behind what was asked.
            del self._book.unsettled[: len(ticket.question.settled)]
        if answer.gap is not None:
            self._gap = answer.gap
        if answer.yield_requested:
            self._book.end_reason = self._book.end_reason or "yielded"
        if answer.verdict == STALE:
            self._book.end_reason = "taken over"
        return answer

    def _not_granted(self, person: Person, answer: Answer, session: Session | None) -> Step:
        if answer.is_refusal_of_one:
            self._book.note(person, OutcomeKind.SKIPPED, at=self._clock(), reason="suppressed")
        elif answer.verdict != SILENT:
            self._book.end_reason = answer.verdict if answer.verdict != STALE else "taken over"
        if answer.verdict == SILENT:
            # The database is away; the receiver need not stand by.
            self._hang_up()
            self._pause(SILENT_PAUSE_SECONDS)
        elif session is not None:
            self._take_back(session)
        return Step.DONE if answer.is_refusal_of_one else Step.AGAIN

    # -- What was heard ------------------------------------------------------------------------------------------------

    def _refused(self, person: Person, refusal: Refusal, session: Session) -> Step:
        if refusal.reply.code < 400:
            # Neither a refusal nor what was asked for: the two of us are out of step, and no dot has left.
            raise ConnectionLost(refusal.phase, f"an answer out of place: {refusal.reply}")
        self._heard(person, refusal.reply, refusal.phase)
        self._take_back(session)
        return Step.DONE

    def _heard(self, person: Person, reply: SmtpReply, phase: str) -> None:
        at = self._clock() if self._last_dot is None or phase != "dot" else self._clock.at(self._last_dot)
        if reply.is_positive and phase == "dot":
            self._book.note(person, OutcomeKind.ACCEPTED, at=at, remote_id=hearing.remote_id(reply))
            self._book.spend(person, at=at, kind=OutcomeKind.ACCEPTED, verdict=None, dot=True)
            return
        heard = hearing.hear(reply, provider=self._batch.provider, phase=phase)
        reply_id = hearing.remember(heard, provider=self._batch.provider, now=at)
        kind = self._decide(person, heard)
        self._book.note(person, kind, at=at, reason=heard.verdict.class_, reply=reply_id)
        if phase not in BEFORE_THE_MESSAGE:
            self._book.spend(person, at=at, kind=kind, verdict=heard.verdict, dot=phase == "dot")
        if heard.reaction.about_us:
            self._book.told.append((heard, at))
            self._book.end_reason = self._book.end_reason or f"receiver: {heard.verdict.class_}"
        if heard.reaction.reconnects or heard.reaction.about_us:
            self._end_connection(closing=reply.code == 421)

    def _decide(self, person: Person, heard: hearing.Heard) -> str:
        """The outcome. A deferral goes back into the queue, or becomes a soft bounce after long enough."""
        reaction = heard.reaction
        if reaction.kind != OutcomeKind.DEFERRED:
            return reaction.kind
        now = self._clock()
        due_at = next_due(
            now=now,
            counted=person.counted + reaction.counts,
            first_tried_at=person.first_tried_at or now,
            class_=heard.verdict.class_,
            hint_seconds=heard.verdict.retry_hint_seconds,
        )
        if due_at is None:
            return OutcomeKind.BOUNCED_SOFT
        pinned = self._batch.route_id if heard.verdict.class_ == "greylist" else None
        self._book.put_off(person, due_at=due_at, counts=reaction.counts, now=now, pinned=pinned)
        return OutcomeKind.DEFERRED

    def _answer_lost(self, person: Person) -> Step:
        self._drop()
        at = self._clock()
        self._silent += 1
        if self._silent >= SILENT_IN_A_ROW:
            self._book.end_reason = "no answers"
            self._book.told.append((hearing.no_answers(), at))
        kind = OutcomeKind.UNKNOWN
        if self._batch.stream == Stream.TRANSACTIONAL:
            # At least once, with the same Message-ID: one confirmation too many is better than none.
            kind = OutcomeKind.DEFERRED
            self._book.put_off(person, due_at=at + SITE_AGAIN / settings.TIME_FACTOR, counts=True, now=at, pinned=None)
        self._book.note(person, kind, at=at, reason="answer_lost")
        self._book.spend(person, at=at, kind=kind, verdict=None, dot=True)
        return Step.DONE

    def _lose_connection(self, person: Person, error: ConnectionLost) -> Step:
        """Certain not to have been sent: once more, on a new connection; not for ever."""
        self._drop()
        self._lost += 1
        if self._lost < LOST_IN_A_ROW:
            return Step.AGAIN
        why = f"{error.phase}: {error}"
        if error.phase == "connect":
            self._unreached(person, why)
        else:
            self._unreachable(person, why)
        return Step.DONE

    # -- Connections ---------------------------------------------------------------------------------------------------

    def _session_for(self, person: Person) -> Session | None:
        """A connection to this person's site: the one there is, or a new one. None: the whole site went back."""
        used_up = self._most is not None and self._on_connection >= self._most
        if self._session is not None and (used_up or self._site != person.destination.site):
            self._hang_up()
        if self._session is None:
            try:
                self._session = hub.errand(partial(self._transport.open, person.destination))
            except CouldNotOpen as error:
                self._could_not_open(person, error)
                return None
            self._site, self._on_connection = person.destination.site, 0
        return self._session

    def _could_not_open(self, person: Person, error: CouldNotOpen) -> None:
        if error.refusal is None or error.refusal.reply.code < 400:
            self._unreached(person, str(error))
            return
        self._heard(person, error.refusal.reply, error.refusal.phase)
        self._send_site_back(person)

    def _unreached(self, person: Person, why: str) -> None:
        """Nobody there to talk to. A relay of ours that is away is no try of anybody's: all wait for it."""
        if self._book.claimed.route.kind == Route.Kind.DIRECT:
            self._unreachable(person, why)
            return
        self._book.end_reason = f"way out not reached: {why}"[:120]
        self._book.hand_back([person, *self._queue], due_at=self._clock() + SITE_AGAIN / settings.TIME_FACTOR)
        self._queue.clear()

    def _unreachable(self, person: Person, why: str) -> None:
        """No server of the site answers: this one is put off as a try, its neighbours wait untried."""
        self._lost = 0
        reply = SmtpReply(451, why[:300])
        heard = hearing.hear(reply, provider=self._batch.provider, phase="local")
        reply_id = hearing.remember(heard, provider=self._batch.provider, now=self._clock())
        kind = self._decide(person, heard)
        self._book.note(person, kind, at=self._clock(), reason="unreachable", reply=reply_id)
        self._send_site_back(person)

    def _send_site_back(self, person: Person) -> None:
        site = person.destination.site
        neighbours = [other for other in self._queue if other.destination.site == site]
        self._queue = deque(other for other in self._queue if other.destination.site != site)
        self._book.hand_back(neighbours, due_at=self._clock() + SITE_AGAIN / settings.TIME_FACTOR)

    def _take_back(self, session: Session) -> None:
        """Forget the offer; where that fails, the connection is of no use, and nothing was sent."""
        if self._session is session:
            try:
                session.take_back()
            except ConnectionLost:
                self._drop()

    def _end_connection(self, *, closing: bool) -> None:
        """421 says that the receiver closes it by itself (RFC 5321, section 3.8)."""
        if closing:
            self._drop()
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._session is not None:
            self._session.quit()
            self._session = None

    def _drop(self) -> None:
        if self._session is not None:
            self._session.drop()
            self._session = None

    # -- Pace ----------------------------------------------------------------------------------------------------------

    def _due(self) -> float:
        """When the next dot may leave: a gap after this slot's last real one. What was missed is not caught up."""
        return self._first_due if self._last_dot is None else self._last_dot + self._gap

    def _wait_until(self, instant: float) -> bool:
        """False when the wait would not end in time, or something says stop. Nothing unsettled sleeps with it."""
        seconds = instant - time.monotonic()
        if seconds <= 0:
            return True
        if seconds > SETTLE_BEFORE_SECONDS and self._book.unsettled:
            self._wait_for(self._gate.ask(self._put(None)))
            seconds = instant - time.monotonic()
        if self._ends < instant:
            self._book.end_reason = "deadline"
            return False
        self._pause(seconds)
        return not self._must_end()

    def _pause(self, seconds: float) -> None:
        """Time that no message takes."""
        began = time.monotonic()
        draining.wait(seconds)
        self._paused += time.monotonic() - began

    # -- Letters -------------------------------------------------------------------------------------------------------

    def _letter(self, person: Person) -> Letter | None:
        return self._written.pop(person.delivery, None) or self._write(person)

    def _write_next(self) -> None:
        """While the receiver thinks about this message, those that leave soon are written; the next one at least."""
        if self._queue and self._queue[0].delivery not in self._written:
            fit = int(SOON_SECONDS / max(self._gap, self._apart, SOON_SECONDS / WRITTEN_AHEAD))
            soon = islice(self._queue, max(1, fit))
            self._written = self._writer.write_ahead(soon, now=self._clock(), taking=self._slot.writes_ahead)
            self._slot.writes_ahead(0)

    def _write(self, person: Person) -> Letter | None:
        """None when it can't be written: refused by us, with the reason."""
        try:
            return self._writer.write(person, now=self._clock())
        except (PersonalisationFailed, BadPath) as error:
            self._book.note(person, OutcomeKind.REFUSED, at=self._clock(), reason=f"not written: {error}"[:40])
            return None

    def _push_away_the_poison(self) -> None:
        """A defect met one message: it is put off as a try that counts, so that it can't stop the line."""
        person = self._current
        if person is None:
            return
        now = self._clock()
        due_at = next_due(
            now=now,
            counted=person.counted + 1,
            first_tried_at=person.first_tried_at or now,
            class_="temp",
            hint_seconds=None,
        )
        if due_at is None:
            self._book.note(person, OutcomeKind.REFUSED, at=now, reason="internal_error")
            return
        self._book.put_off(person, due_at=due_at, counts=True, now=now, pinned=None)
        self._book.note(person, OutcomeKind.DEFERRED, at=now, reason="internal_error")
        self._book.end_reason = "internal error"
