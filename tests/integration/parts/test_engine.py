"""Sessions on a real engine: refused, lost, interrupted, and errors of tasks under their own names."""

from __future__ import annotations

import sys
import threading
import time
import uuid

import numpy as np
import pyarrow as pa
import pytest
from tests.waiting import eventually, promised

from muster_console.parts.engine import Engine
from muster_console.parts.home import Home
from muster_console.parts.port import choose_port
from muster_console.parts.running import running
from muster_core.errors import EngineUnavailable, NoSpace, StoreDamaged, TerminalError
from muster_worker.engine.python_task import PythonTask
from muster_worker.engine.session import close, connect, engine_errors, interrupt_left_over

pytestmark = [pytest.mark.integration, pytest.mark.spark]


def run_in_task(spark, function):
    """Run `function` once inside a task of the engine."""

    def task(batches):
        for _ in batches:
            function()
        yield pa.RecordBatch.from_pydict({"done": [1]})

    with engine_errors():
        return spark.range(1, numPartitions=1).mapInArrow(task, "done long").collect()


def test_a_task_makes_arrays_of_numpy_and_leaves_pandas_out(spark):
    def work(batches):
        for _ in batches:
            # a process of the engine serves many tasks: one before may have imported it
            before = "pandas" in sys.modules
            made = pa.array(np.arange(3))
            more = "pandas" in sys.modules and not before
            yield pa.RecordBatch.from_pydict({"made": [len(made)], "more": [more]})

    found = spark.range(1, numPartitions=1).mapInArrow(PythonTask(work), "made long, more boolean")
    assert [tuple(row) for row in found.collect()] == [(3, False)]


def test_an_error_of_muster_raised_in_a_task_keeps_its_class_and_message(spark):
    def damaged():
        raise StoreDamaged("part-3.arrow does not match its manifest.")

    with pytest.raises(StoreDamaged, match=r"part-3\.arrow does not match its manifest\."):
        run_in_task(spark, damaged)


def test_any_other_error_of_a_task_is_terminal_and_names_its_cause(spark):
    def broken():
        raise ValueError("seven")

    with pytest.raises(TerminalError, match="ValueError: seven"):
        run_in_task(spark, broken)


def test_a_full_disk_in_a_task_is_no_space(spark):
    def full():
        raise OSError(28, "No space left on device")

    with pytest.raises(NoSpace):
        run_in_task(spark, full)


def test_an_unknown_column_is_terminal(spark):
    with pytest.raises(TerminalError, match="nonsense"), engine_errors():
        spark.range(1).select("nonsense").collect()


def test_a_wrong_token_is_refused(engine_url):
    with pytest.raises(EngineUnavailable, match=r"(?i)token"):
        connect(engine_url.partition("token=")[0] + "token=wrong")


def test_no_token_is_refused(engine_url):
    with pytest.raises(EngineUnavailable):
        connect(engine_url.partition("/;")[0])


def test_an_address_where_nothing_listens_is_given_up_in_time():
    began = time.monotonic()
    with pytest.raises(EngineUnavailable, match="localhost:1 within 1 s") as caught:
        connect("sc://localhost:1/;token=sesame", timeout_seconds=1)
    assert time.monotonic() - began < promised(5)
    assert "sesame" not in str(caught.value)


def test_an_address_in_numbers_works_like_the_name(engine_url):
    session = connect(engine_url.replace("localhost", "127.0.0.1"))
    assert session.range(3).count() == 3
    close(session)


def test_the_session_settings_are_the_safe_ones(spark):
    wanted = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.variable.substitute": "false",
        "spark.sql.runSQLOnFiles": "false",
    }
    assert {name: spark.conf.get(name) for name in wanted} == wanted


def test_work_a_dead_client_left_is_interrupted_by_its_successor(engine_url):
    session_id, user_id = str(uuid.uuid4()), "worker-1"
    session = connect(engine_url, session_id=session_id, user_id=user_id)
    ended: list[Exception | None] = []

    def sleep_long(batches):
        for batch in batches:
            time.sleep(120)
            yield batch

    def work():
        try:
            with engine_errors():
                session.range(1, numPartitions=1).mapInArrow(sleep_long, "id long").collect()
        except EngineUnavailable as exc:
            ended.append(exc)
        else:
            ended.append(None)

    thread = threading.Thread(target=work)
    thread.start()

    def interrupted() -> bool:
        # until the first job has reached the engine there is nothing to interrupt
        interrupt_left_over(engine_url, session_id, user_id)
        thread.join(0.5)
        return not thread.is_alive()

    eventually(interrupted, 60)
    assert isinstance(ended[0], EngineUnavailable)
    # its session is closed by now, which is as good as nothing running
    interrupt_left_over(engine_url, session_id, user_id)


@pytest.mark.long
def test_an_engine_killed_in_the_middle_of_a_job_is_unavailable(tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    port = choose_port("engine", "nothing", fixed=None, last=None)
    engine = Engine(home, port, memory="1g", cores=1, short_lived=True)
    with running(engine, home) as child:
        session = connect(engine.url)
        killer = threading.Timer(2.0, child.kill)
        killer.start()

        def slow(batches):
            for batch in batches:
                time.sleep(60)
                yield batch

        with pytest.raises(EngineUnavailable, match="Connection refused"), engine_errors():
            session.range(1, numPartitions=1).mapInArrow(slow, "id long").collect()
        killer.join()
        close(session)
