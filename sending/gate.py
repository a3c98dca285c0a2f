"""The gate: no final dot leaves before its intent, and the outcome of the message before it, are durable.

One thread a process owns one direct database connection. Questions of all connections go in one statement; while one
commit runs, the next questions gather. While the database is away nobody is granted anything, and what is to be settled
is kept in memory and sent again when it is back.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import psycopg
from psycopg import errors

from sending import settle, workers
from sending.gate_questions import AGAIN, FAILED, LAST_TOKEN, Answer, Counters, Question, Ticket
from sending.gate_statement import STATEMENT, as_gate_params

log = logging.getLogger(__name__)

MOST_AT_ONCE = 256
HEARTBEAT_SECONDS = 2.0
LEASE_RENEWAL_SECONDS = 15.0
AGAIN_AFTER_SECONDS = 0.02
# With many connections a statement waits until half of them ask, at most so long, so many times: one commit for all of
# them, beside MAIL and RCPT.
GATHER_SECONDS = 0.005
GATHER_TIMES = 4
FEW = 4
RECONNECT_AFTER_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
ATTEMPTS_WHEN_CLOSING = 4

Connection: TypeAlias = psycopg.Connection[Any]

# Nothing is wrong with the questions, only with the moment: they are asked again.
_BAD_MOMENT = (errors.LockNotAvailable, errors.QueryCanceled, errors.TransactionRollback, errors.InsufficientResources)

_RENEW_LEASES = """
UPDATE sending_batch b SET lease_until = clock_timestamp() + interval '60 seconds'
FROM (SELECT s.id FROM sending_batch s
      JOIN unnest(%s::bigint[], %s::int[]) AS live (id, epoch) ON live.id = s.id AND live.epoch = s.epoch
      WHERE s.state = 'running' ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED) mine
WHERE b.id = mine.id
"""


class NotYet(Exception):
    """Somebody's leaving, kept on disk while the database was away, has to be carried out first."""


class Gate(threading.Thread):
    """`connect` opens a database connection of the gate's own, on which `worker` is enrolled.

    `must_wait`: is there something that has to be written to the database before anything may leave?
    """

    def __init__(
        self,
        *,
        worker: workers.Worker,
        connect: Callable[[], Connection],
        must_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(name=f"gate-{worker.id}", daemon=True)
        self.worker = worker
        self._connect, self._must_wait = connect, must_wait
        self._connection: Connection | None = None
        self._waiting: deque[Ticket] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._live: set[tuple[int, int]] = set()
        self._failures = 0
        self._seen_at = self._leased_at = float("-inf")
        self._enrolled = threading.Event()

    def wait_until_enrolled(self, seconds: float) -> bool:
        """Before a batch is claimed: its owner would else be taken for dead by whoever sweeps just then."""
        return self._enrolled.wait(seconds)

    def ask(self, question: Question) -> Ticket:
        """Put a question; returns at once. A slot asks one question at a time, or its questions are taken in turn."""
        ticket = Ticket(question)
        with self._changed:
            self._waiting.append(ticket)
            self._changed.notify()
        return ticket

    def testify(self, *, batch: int, epoch: int, settled: Sequence[settle.Settled], counters: Counters) -> Ticket:
        """The last words of a slot, ours still or no longer: evidence is not fenced."""
        return self.ask(Question(batch, epoch, LAST_TOKEN, None, counters, tuple(settled)))

    def watch(self, *, batch: int, epoch: int) -> None:
        """Keep the lease of a running slot alive while its connection waits for a slow answer."""
        with self._changed:
            self._live.add((batch, epoch))

    def unwatch(self, *, batch: int, epoch: int) -> None:
        with self._changed:
            self._live.discard((batch, epoch))

    def close(self, *, seconds: float = 5.0) -> None:
        """Carry out what is still asked, then end. Gives up waiting after so long."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self.join(seconds)

    # -- On the gate's own thread --------------------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            tickets = self._gather()
            if self._closing and (not tickets or self._failures >= ATTEMPTS_WHEN_CLOSING):
                break
            try:
                self._tend(self._connected())
                if tickets and not self._closing and self._must_wait():
                    raise NotYet
                self._carry_out(tickets)
                self._failures = 0
            except (psycopg.Error, workers.LockTaken, NotYet) as error:
                self._put_off(tickets, error)
            except Exception as error:
                log.exception("The gate met something unexpected; what it was asked is asked again")
                self._put_off(tickets, error)
        self._leave()

    def _gather(self) -> list[Ticket]:
        """Everything asked so far, one question a slot; waits for the first one, at most until the next heartbeat."""
        with self._changed:
            if not self._waiting and not self._closing and self._enrolled.is_set():
                self._changed.wait(HEARTBEAT_SECONDS)
            expected = len(self._live) // 2
        for _ in range(GATHER_TIMES if expected >= FEW else 0):
            if len(self._waiting) >= expected or self._closing:
                break
            time.sleep(GATHER_SECONDS)
        with self._changed:
            taken: list[Ticket] = []
            later: list[Ticket] = []
            slots: set[int] = set()
            while self._waiting and len(taken) < MOST_AT_ONCE:
                ticket = self._waiting.popleft()
                slot = ticket.question.batch
                (later if slot in slots else taken).append(ticket)
                slots.add(slot)
            self._waiting.extendleft(reversed(later))
            return taken

    def _carry_out(self, tickets: Sequence[Ticket]) -> None:
        if not tickets:
            return
        try:
            self._put(tickets)
        except _BAD_MOMENT:
            raise
        except psycopg.Error as error:
            if self._connection is None or self._connection.closed:
                raise
            self._carry_out_alone(tickets, error)

    def _carry_out_alone(self, tickets: Sequence[Ticket], error: psycopg.Error) -> None:
        """One bad input (a NUL in a receiver's text) must not stop the others: everyone again, by itself."""
        if len(tickets) > 1:
            for ticket in tickets:
                self._carry_out([ticket])
        elif any(settled.reason or settled.remote_id for settled in tickets[0].question.settled):
            tickets[0].strip_texts()
            self._carry_out(tickets)
        else:
            log.error("A question to the gate can't be carried out: %s", type(error).__name__)
            tickets[0].reply(Answer(FAILED))

    def _put(self, tickets: Sequence[Ticket]) -> None:
        questions = [ticket.question for ticket in tickets]
        params = as_gate_params(questions)
        n_settled = sum(len(question.settled) for question in questions)
        connection = self._connected()
        asked_at = time.monotonic()
        rows = connection.execute(STATEMENT, params).fetchall()
        if rows[0][5] < n_settled:
            # Repeated after a lost acknowledgement, or late: only then may it have to replace an `unknown`.
            everything = [settled for question in questions for settled in question.settled]
            settle.resolve(connection.cursor(), everything)
        again = []
        for n, verdict, gap, yield_requested, mailing_state, _ in rows:
            if verdict == AGAIN:
                again.append(tickets[n])
            else:
                tickets[n].reply(Answer(verdict, gap, yield_requested, mailing_state, asked_at))
        self._put_again(again)

    def _put_again(self, tickets: Sequence[Ticket]) -> None:
        if tickets:
            self._enqueue_first(tickets)
            with self._changed:
                self._changed.wait(AGAIN_AFTER_SECONDS)

    def _enqueue_first(self, tickets: Sequence[Ticket]) -> None:
        with self._changed:
            self._waiting.extendleft(reversed([ticket for ticket in tickets if not ticket.is_answered]))

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = None
            connection = self._connect()
            try:
                workers.enrol(connection.cursor(), self.worker)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._enrolled.set()
        return self._connection

    def _tend(self, connection: Connection) -> None:
        """The process's sign of life, and the leases of the slots it watches."""
        now = time.monotonic()
        if now - self._seen_at >= HEARTBEAT_SECONDS:
            workers.mark_seen(connection.cursor(), self.worker)
            self._seen_at = now
        if now - self._leased_at >= LEASE_RENEWAL_SECONDS:
            with self._changed:
                live = list(self._live)
            connection.execute(_RENEW_LEASES, [[batch for batch, _ in live], [epoch for _, epoch in live]])
            self._leased_at = now

    def _put_off(self, tickets: Sequence[Ticket], error: Exception) -> None:
        """Nothing is lost: what was not answered is asked again, when the database answers."""
        self._enqueue_first(tickets)
        if self._failures % 20 == 0:
            log.warning("The gate waits for the database: %s", type(error).__name__)
        pause = RECONNECT_AFTER_SECONDS[min(self._failures, len(RECONNECT_AFTER_SECONDS) - 1)]
        self._failures += 1
        time.sleep(pause if not self._closing else 0.05)  # not a worker thread: drains only after all of them

    def _leave(self) -> None:
        if self._connection is not None and not self._connection.closed:
            try:
                workers.leave(self._connection.cursor(), self.worker)
            except psycopg.Error as error:
                log.warning("The worker's row could not be removed: %s", type(error).__name__)
            self._connection.close()
