"""The ledger against its model, in random order: reserve, settle, release, top up, crash, freeze, retry."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from inflare.runtime.storage.database import Database
from tests.runtime.billing.machine import LedgerMachine

EXAMPLES = {"sqlite": 25, "postgresql": 10}


def test_the_ledger_does_what_its_model_does(database: Database) -> None:
    class Machine(LedgerMachine):
        pass

    Machine.database = database
    kind = "sqlite" if database.embedded else "postgresql"
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]
        Machine,
        settings=settings(
            max_examples=EXAMPLES[kind],
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
        ),
    )
    assert Machine.runs >= EXAMPLES[kind]
