"""The state is what the events make of it: rebuilt, it is the same; lanes keep their order."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reverse_etl.ledger.approvals import ApprovalTerms
from reverse_etl.ledger.commands import FINAL_STATES
from reverse_etl.ledger.exceptions import NewException
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.store import Link, Store
from tests.reverse_etl.ledger.acts import HOLDER, send, settle
from tests.reverse_etl.ledger.commands import NOW, posting, state
from tests.simulation.processes import new_database, snapshot

_LANES = st.sampled_from(["erp/1", "erp/2"])
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "plan", "plan_state", "plan_pair", "plan_approval", "send", "accept", "verify",
                "reject", "die", "retry", "unknown", "absent", "gone", "supersede", "approve",
                "decline", "reopen", "resolve", "hold", "release", "exception", "link",
            ]
        ),
        st.integers(0, 3),
        _LANES,
    ),
    max_size=40,
)  # fmt: skip


class Story:
    """Takes random steps through the Store's own calls; a step that does not fit does nothing."""

    def __init__(self) -> None:
        self.database = new_database()
        self.store = Store(self.database, now=lambda: NOW)
        self.recorded = []
        self.in_hand = []
        self.number = 0

    def step(self, name: str, choice: int, lane: str) -> None:
        self.number += 1
        getattr(self, f"_{name}")(choice, lane)

    def _record(self, *commands, modes=None):
        self.store.record_plan(commands, modes=modes, os_user="os")
        self.recorded += commands

    def _plan(self, choice, lane):
        self._record(posting(f"R{self.number}", lane=lane))

    def _plan_state(self, choice, lane):
        key = f"K{choice}"
        revision = self.store.revisions("erp", "accounts", [key])[key]
        command = state(key, {"v": str(self.number)}, revision=revision, lane=lane, system_id="erp")
        self._record(command)

    def _plan_pair(self, choice, lane):
        first = posting(f"R{self.number}", lane=lane)
        second = posting(
            f"R{self.number}", {"lines": "x"}, object_name="clearings", operation="clear",
            lane=lane, after=(first.command_id,),
        )  # fmt: skip
        self._record(first, second)

    def _plan_approval(self, choice, lane):
        self._record(posting(f"R{self.number}", lane=lane, approval_rule="limit"))

    def _send(self, choice, lane):
        self.in_hand += send(self.store, "erp")

    def _with(self, choice, states, act):
        fitting = [one for one in self.in_hand if one.state in states]
        if fitting:
            with self.store.unit() as unit:
                act(unit, fitting[choice % len(fitting)], self.store.outcomes)

    def _accept(self, choice, lane):
        states = {"sending", "unknown"}
        self._with(choice, states, lambda u, one, o: o.accepted(u, [(one, f"N{one.number}")]))

    def _verify(self, choice, lane):
        self._with(choice, {"accepted"}, lambda u, one, o: o.verified(u, [one]))

    def _reject(self, choice, lane):
        self._with(
            choice, {"sending"},
            lambda u, one, o: o.rejected(
                u, one, code="BAD", message="no", field="f", is_business=True
            ),
        )  # fmt: skip

    def _die(self, choice, lane):
        self._with(
            choice, {"sending", "accepted"},
            lambda u, one, o: o.died(
                u, one, code="x", message="y", may_have_effect=one.state == "accepted"
            ),
        )  # fmt: skip

    def _retry(self, choice, lane):
        self._with(
            choice, {"sending"},
            lambda u, one, o: o.retry(u, one, code="x", message="y", at=u.now, is_failure=True),
        )  # fmt: skip

    def _unknown(self, choice, lane):
        self._with(
            choice, {"sending"},
            lambda u, one, o: o.unknown(u, [one], code="x", message="y", look_up_at=u.now),
        )  # fmt: skip

    def _absent(self, choice, lane):
        self._with(
            choice, {"unknown"},
            lambda u, one, o: o.looked_up(u, one, result="absent", next_at=u.now),
        )  # fmt: skip

    def _gone(self, choice, lane):
        self._with(
            choice, {"unknown"}, lambda u, one, o: o.looked_up(u, one, result="gone", next_at=u.now)
        )

    def _supersede(self, choice, lane):
        if self.recorded:
            command = self.recorded[choice % len(self.recorded)]
            self.store.record_plan([], supersede=[(command.command_id, "newer")], os_user="os")

    def _approve(self, choice, lane):
        for one in list(self.store.awaiting_approval()):
            self.store.approve(
                one.command.command_id, one.command.payload_hash, by=f"p{choice}", os_user="o",
                reason="", terms=ApprovalTerms(),
            )  # fmt: skip

    def _decline(self, choice, lane):
        for one in list(self.store.awaiting_approval())[:1]:
            self.store.reject(one.command.command_id, by="p", os_user="o", reason="no")

    def _reopen(self, choice, lane):
        ids = [one.exception_id for one in self.store.exceptions(state="open")]
        self.store.retry_exceptions(ids[choice : choice + 1], by="p", reason="again")
        # What is reopened is in nobody's hands.
        self.in_hand = [one for one in self.in_hand if one.state not in FINAL_STATES]

    def _resolve(self, choice, lane):
        ids = [one.exception_id for one in self.store.exceptions(state="open")]
        self.store.resolve_exceptions(ids[choice : choice + 1], by="p", reason="seen")

    def _hold(self, choice, lane):
        self._gate("shadow")

    def _release(self, choice, lane):
        self._gate("automatic")

    def _gate(self, mode):
        from reverse_etl.ledger.gate import apply_modes

        with self.store.unit() as unit:
            apply_modes(self.database, unit, Modes(by_system={"erp": mode}), ["erp"])

    def _exception(self, choice, lane):
        self.store.open_exception(NewException("technical", f"c{choice}", "text", object_key=lane))

    def _link(self, choice, lane):
        link = Link("crm", f"001{choice}", f"SAP-{choice}", "payer", "number")
        if self.number % 2:
            self.store.record_links([link])
        else:
            self.store.remove_links([link], by="p")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_STEPS)
def test_any_sequence_of_events_rebuilds_to_the_same_state(steps):
    story = Story()
    for name, choice, lane in steps:
        story.step(name, choice, lane)
    lived = snapshot(story.database)
    _lanes_are_sound(story)

    story.store.rebuild()

    assert snapshot(story.database) == lived
    assert story.store.verify_audit().is_intact
    story.database.close()


def _lanes_are_sound(story: Story) -> None:
    """At most one head per lane, none beside a command on its way, and always the first."""
    with story.database.read() as connection:
        rows = story.database.run(
            connection,
            "SELECT lane, command_no, lane_phase, is_lane_head, state FROM command_state"
            " ORDER BY command_no",
        ).fetchall()
    for lane in {row[0] for row in rows}:
        queued = [row[1] for row in rows if row[0] == lane and row[2] == 1]
        on_its_way = [row for row in rows if row[0] == lane and row[2] == 2]
        heads = [row[1] for row in rows if row[0] == lane and row[3] == 1]
        expected = [] if on_its_way or not queued else [min(queued)]
        assert heads == expected, rows
    for _lane, _number, phase, _head, stands in rows:
        assert (phase == 1) == (stands in {"ready", "waiting"})
        assert (phase == 2) == (stands in {"sending", "unknown"})


def test_a_rebuild_on_either_database_makes_the_same_state(store):
    store.record_plan([posting(f"R{number}", lane=f"L{number % 3}") for number in range(30)])
    for number, end in enumerate(["verified", "rejected", "dead", "unknown", "accepted"]):
        settle(store, "erp", posting(f"R{number % 3}", lane=f"L{number % 3}"), end) if (
            number < 3
        ) else send(store, "erp")
    before = snapshot(store.database)

    assert store.rebuild() > 30
    assert snapshot(store.database) == before


def test_a_lane_lets_one_command_go_at_a_time_and_in_order(store):
    store.record_plan([posting(f"R{number}", lane="L") for number in range(3)])

    order = []
    for _ in range(3):
        (one,) = send(store, "erp")
        assert send(store, "erp") == []
        order.append(one.command.business_key)
        with store.unit() as unit:
            store.outcomes.accepted(unit, [(one, "N")])

    assert order == ["R0", "R1", "R2"]


def test_an_unknown_outcome_blocks_its_lane_and_no_other(store):
    store.record_plan([posting("R1", lane="L"), posting("R2", lane="L"), posting("R3", lane="M")])
    settle(store, "erp", posting("R1", lane="L"), "unknown")

    assert [one.command.business_key for one in send(store, "erp")] == ["R3"]


def test_a_waiting_command_keeps_its_place(store, clock):
    store.record_plan([posting("R1", lane="L"), posting("R2", lane="L")])
    (one,) = send(store, "erp")
    clock.advance(seconds=1)
    with store.unit() as unit:
        at = unit.now.replace(hour=9)
        store.outcomes.retry(unit, one, code="x", message="", at=at, is_failure=True)

    assert send(store, "erp") == []
    clock.advance(hours=2)
    assert [found.command.business_key for found in send(store, "erp")] == ["R1"]


def test_what_is_verified_is_acknowledged_field_by_field(store):
    first = state("A1", {"status": "On Hold", "limit": "100"})
    store.record_plan([first])
    settle(store, "crm", first, "verified")
    second = state("A1", {"limit": None}, revision=2)
    store.record_plan([second])
    settle(store, "crm", second, "verified")

    rows = [row for page in store.mirror.acknowledged() for row in page]

    assert [(row[2], row[3], row[4], row[5]) for row in sorted(rows)] == [
        ("A1", "limit", None, second.command_id),
        ("A1", "status", "On Hold", first.command_id),
    ]
    assert {row[6] for row in rows} == {NOW}


def test_only_verified_commands_are_acknowledged(store):
    for number, end in enumerate(["accepted", "rejected", "dead", "unknown"]):
        command = posting(f"R{number}")
        store.record_plan([command])
        settle(store, "erp", command, end)

    assert list(store.mirror.acknowledged()) == []


def test_a_holder_is_written_with_what_it_sends(store, execute):
    store.record_plan([posting("R1")])
    send(store, "erp")

    assert execute("SELECT holder, attempts FROM command_state") == [(HOLDER, 1)]
