"""The servers of the fixtures do what the rest of the tests builds on."""

from __future__ import annotations

import psycopg
import pytest
import redis

pytestmark = pytest.mark.integration


def test_each_test_gets_a_database_with_the_tables(database_url):
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM segment").fetchone() == (0,)


def test_redis_answers(redis_url):
    client = redis.Redis.from_url(redis_url)
    assert client.ping()
    client.close()


@pytest.mark.spark
def test_the_engine_counts(spark):
    assert spark.range(10).count() == 10
