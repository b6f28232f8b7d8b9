"""The system over the API: schedules, arrival, refreshes, status, doctor, the catalog; and progress as it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.api.conftest import CATALOG, Api
from tests.integration.api.test_segment import save

pytestmark = pytest.mark.integration


def events(api: Api, path: str, last: str | None = None) -> list[tuple[str, str]]:
    """Return (event, id) of everything that is told until the end."""
    headers = {"Authorization": f"Bearer {api.tokens['viewer']}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    with api.client.stream("GET", f"/api/v1{path}", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line.startswith(("event:", "id:"))]
    values = [line.partition(": ")[2] for line in lines]
    return list(zip(values[::2], values[1::2], strict=True))


def refreshed(api: Api) -> int:
    save(api)
    asked = api.call("contributor", "POST", "/segments/refresh", json={"names": ["british"]})
    return int(asked.json()[0]["run_id"])


def test_a_run_is_followed_to_its_end_and_gone_on_with_where_a_reader_left(api: Api) -> None:
    run_id = refreshed(api)
    assert api.call("contributor", "POST", f"/runs/{run_id}/retry").status_code == 409
    answer = api.call("contributor", "POST", f"/runs/{run_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert api.call("contributor", "POST", f"/runs/{run_id}/cancel").status_code == 409
    told = events(api, f"/runs/{run_id}/progress")
    assert [event for event, _ in told] == ["step", "step", "progress", "end"]
    for number, (_, last) in enumerate(told[:2]):
        behind = events(api, f"/runs/{run_id}/progress", last)
        assert [event for event, _ in behind if event == "step"] == ["step"] * (1 - number)
        assert behind[-1][0] == "end"
    assert events(api, f"/runs/{run_id}/progress", told[-1][1]) == told[-1:]
    assert api.call("viewer", "GET", "/runs/999/progress").status_code == 404
    wrong = {"Last-Event-ID": "1; DROP TABLE"}
    answer = api.call("viewer", "GET", f"/runs/{run_id}/progress", headers=wrong)
    assert answer.status_code == 422
    page = api.call("viewer", "GET", f"/runs?before={run_id}").json()
    assert page == {"items": [], "next": None}


def test_a_held_run_is_rejected_with_a_reason(api: Api, workspace) -> None:
    run_id = refreshed(api)
    assert api.call("contributor", "POST", f"/runs/{run_id}/approve").status_code == 409
    with workspace.database.begin() as connection:
        connection.execute(text("UPDATE refresh_run SET state = 'held'"))
    held = api.call("viewer", "GET", "/runs?state=held").json()["items"]
    assert [run["run_id"] for run in held] == [run_id]
    answer = api.call("contributor", "POST", f"/runs/{run_id}/reject", json={"reason": "odd"})
    assert answer.json() == {"run_id": run_id, "state": "cancelled"}


def test_a_system_refresh_is_followed_and_cancelled(api: Api) -> None:
    save(api)
    started = api.call("contributor", "POST", "/system/refresh").json()
    path = f"/system/refreshes/{started['id']}"
    assert api.call("viewer", "GET", path).json()["state"] == "running"
    assert api.call("viewer", "POST", f"{path}/cancel").status_code == 403
    answer = api.call("contributor", "POST", f"{path}/cancel")
    assert answer.json() == {"id": started["id"], "runs": 1}
    with_stages = api.call("viewer", "GET", "/system/refreshes").json()[0]
    assert [s["stage"] for s in with_stages["stages"]] == [
        *("ingest", "measures", "segments", "exports")
    ]


def test_schedules_that_are_none_are_refused_and_change_nothing(api: Api) -> None:
    """H77 and H78."""

    def put(**given):
        return api.call("administrator", "PUT", "/system/schedule", json=given)

    assert put(cron="30 6 * * *", timezone="Europe/Paris").is_success
    before = api.call("viewer", "GET", "/system/schedule").json()
    assert before["written"]["cron"] == "30 6 * * *"
    for cron in (
        *("* * * * * *", "@reboot", "60 * * * *", "*/0 * * * *", "0 0 31 2 *", "* * * *", ""),
        *("1" * 10_000, "0 0 * * * ; DROP TABLE segment", "\x00", "٣ * * * *"),
    ):
        answer = put(cron=cron)
        assert answer.status_code == 422, cron
        assert answer.json()["problems"]
    for zone in ("Mars/Phobos", "../../etc/localtime", "UTC+3", "", "Europe/Paris\x00"):
        assert put(cron="0 6 * * *", timezone=zone).status_code == 422, zone
    assert put(times=["25:00"]).status_code == 422
    assert put(times=["06:00"], weekdays=["someday"]).status_code == 422
    assert put(times=["06:00"], cron="0 6 * * *").status_code == 422
    assert api.call("viewer", "GET", "/system/schedule").json()["written"] == before["written"]
    # once in four years is a time, too
    leap = put(cron="0 0 29 2 *").json()["next_times"]
    assert leap[0].startswith("2028-02-29")


def test_what_happens_when_data_arrives_is_set_and_unset(api: Api) -> None:
    save(api)

    def put(**given):
        return api.call("administrator", "PUT", "/system/arrival", json=given)

    assert put(minutes=30, segments=["british"]).json()["rule"]["segments"] == ["british"]
    assert put(segments=["nobody"]).status_code == 404
    assert put(minutes=0).status_code == 422
    # whole seconds: a duration has no parts of them
    assert put(minutes=42938.128049621926).json()["rule"]["every"] == "P29DT19H38M8S"
    assert api.call("viewer", "GET", "/system/arrival").json()["rule"]["segments"] is None
    assert api.call("administrator", "DELETE", "/system/arrival").status_code == 204
    assert api.call("viewer", "GET", "/system/arrival").json() == {"rule": None}


def test_status_and_doctor_tell_how_it_is(api: Api) -> None:
    status = api.call("viewer", "GET", "/system/status").json()
    assert not status["healthy"]
    assert status["problems"]
    found = api.call("administrator", "GET", "/system/doctor").json()
    assert {"postgresql", "redis", "lake"} <= {f["part"] for f in found["findings"]}
    collected = api.call("administrator", "POST", "/system/collect", json={}).json()
    assert (collected["dry_run"], collected["files_removed"]) == (True, 0)


def test_a_catalog_is_checked_and_applied_with_whole_addresses(api: Api, tmp_path: Path) -> None:
    yaml = {"Content-Type": "application/yaml"}

    def send(method: str, path: str, content: str):
        return api.call("administrator", method, path, content=content.encode(), headers=yaml)

    relative = send("PUT", "/catalog", CATALOG)
    assert relative.json()["problems"][0]["pointer"] == "/profile/source/parquet"
    whole = CATALOG.replace("customers.parquet", str(tmp_path / "customers.parquet"))
    checked = send("POST", "/catalog/check", whole).json()
    assert checked["catalog"]["profile"]["columns"] == {"id": "text", "country": "text"}
    assert checked["tables"][0]["rows"] == 2
    assert send("PUT", "/catalog", whole).json()["changed"] is False
    zone = "timezone: Europe/Paris\n"
    assert send("PUT", "/catalog", whole + zone).json()["changed"] is True
    assert api.call("viewer", "GET", "/catalog").json()["timezone"] == "Europe/Paris"
    gone = send("PUT", "/catalog", whole.replace("customers.parquet", "none.parquet"))
    assert gone.status_code == 422
    assert gone.json()["type"] == "urn:muster:source_missing"
