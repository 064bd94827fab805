"""Checks a decision's bundle offline: python examples/verify_bundle.py BUNDLE.json [PUBLIC_KEY].

A bundle is what `GET /audit/{decision_id}/bundle` and `outcry audit bundle` give. Without PUBLIC_KEY (64 hex digits)
the bundle's own is believed: compare what is printed with the one that you know. Where the bundle holds what was said
(`words`), each text is compared with the hash on record. Exit code 1, and what is wrong.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(text: str) -> str:  # noqa: D103
    return hashlib.sha256(text.encode()).hexdigest()


def check(bundle: dict[str, Any], trusted: str | None) -> None:
    """Raise ValueError with what is wrong."""
    sealed = {point["number"]: heads(point, trusted) for point in bundle["checkpoints"]}
    entries, said = [], set()
    for segment in bundle["segments"]:
        chain, digest, seq = segment["chain"], segment["prev"], segment["links"][0]["seq"] - 1
        for link in segment["links"]:
            seq += 1
            if (entry := link.get("entry")) is not None:
                content = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                if sha256(content) != link["own"] or (entry["chain"], entry["seq"]) != (chain, seq):
                    raise ValueError(f"{chain} entry {seq} was changed")
                if link["payload"] is not None and sha256(link["payload"]) != entry["payload"]:
                    raise ValueError(f"{chain} entry {seq}: its payload was changed")
                entries.append(entry)
                said |= set((json.loads(link["payload"] or "{}").get("payloads") or {}).items())
            digest = sha256(digest + link["own"])
        if sealed.get(segment["checkpoint"], {}).get((chain, seq)) != digest:
            raise ValueError(f"{chain} is not what a signed checkpoint has up to entry {seq}")
    if (f"decision:{bundle['decision_id']}", "decision") not in [(one["subject"], one["kind"]) for one in entries]:
        raise ValueError("the decision itself is missing")
    if "words" in bundle:
        check_words(bundle["words"], said)


def check_words(words: list[dict[str, Any]], said: set[tuple[str, str]]) -> None:  # noqa: D103
    for word in words:
        if word["text"] is not None and sha256(word["text"]) != word["sha256"]:
            raise ValueError(f"the words of its {word['part']} were changed")
    if {(word["part"], word["sha256"]) for word in words} != said:
        raise ValueError("the words are not those that its entries name")


def heads(point: dict[str, Any], trusted: str | None) -> dict[tuple[str, int], str]:  # noqa: D103
    if trusted not in (None, point["public_key"]):
        raise ValueError(f"checkpoint {point['number']} is signed by another key")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(point["public_key"]))
        key.verify(bytes.fromhex(point["signature"]), point["body"].encode())
    except (InvalidSignature, ValueError, TypeError):
        raise ValueError(f"checkpoint {point['number']}: bad signature") from None
    return {(head["chain"], head["seq"]): head["hash"] for head in json.loads(point["body"])["heads"]}


if __name__ == "__main__":
    try:
        check(told := json.loads(Path(sys.argv[1]).read_text()), sys.argv[2] if len(sys.argv) > 2 else None)
    except (ValueError, LookupError, TypeError, AttributeError) as wrong:
        sys.exit(f"NOT in order: {wrong}")
    for word in told.get("words", ()):
        print(word["part"], "is missing: " + word["missing"] if word["text"] is None else "is as it was said")
    print(told["decision_id"], "is as recorded, signed by", {point["public_key"] for point in told["checkpoints"]})
