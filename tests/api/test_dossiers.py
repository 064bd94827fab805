"""The dossier of a decision and the erasure of what was said, over HTTP."""

from __future__ import annotations

import httpx

from tests.fakes_edge import FakeDecisions


async def test_a_dossier_is_answered_as_it_is_kept(client: httpx.AsyncClient, decisions: FakeDecisions) -> None:
    decisions.dossiers["dec_1"] = {"decision": {}, "dossier": None, "late": None, "payloads": []}

    assert (await client.get("/decisions/dec_1/dossier")).json() == decisions.dossiers["dec_1"]
    assert (await client.get("/decisions/dec_2/dossier")).status_code == 404


async def test_an_erasure_says_what_is_gone_and_names_who_asked_for_it(
    client: httpx.AsyncClient, decisions: FakeDecisions
) -> None:
    decisions.stored["dec_1"] = {}

    response = await client.delete("/decisions/dec_1/payload", params={"reason": " law "})

    assert response.json() == {
        "decision_id": "dec_1",
        "erased": {"answer": "ab" * 32},
        "erased_at": "2026-11-20T00:00:00Z",
        "erased_by": "local",
        "reason": "law",
    }
