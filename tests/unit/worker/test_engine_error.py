from __future__ import annotations

import pytest
from pyspark.errors.exceptions.connect import SparkConnectException

from muster_core.errors import EngineUnavailable
from muster_worker.engine.session import engine_errors


def test_a_session_that_a_restarted_engine_does_not_know_is_a_lost_engine_and_no_fault_of_the_work():
    with pytest.raises(EngineUnavailable), engine_errors():
        raise SparkConnectException(errorClass="NO_ACTIVE_SESSION", messageParameters={})
