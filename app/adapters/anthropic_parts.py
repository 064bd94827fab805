"""Parts of a message's content as Anthropic's blocks: text, pictures, documents."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from app.adapters.codec import bad_request, unsupported
from app.domain.chat import JSON

_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,")
_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def blocks_of_parts(content: Any, where: str) -> list[JSON]:  # noqa: ANN401 - a wire body
    """The content of a message; raises ProviderError for a part that has no counterpart."""
    if isinstance(content, str) or content is None:
        return text_blocks(content or "")
    if not isinstance(content, list):
        raise bad_request("content is neither text nor a list of parts", f"{where}.content")
    blocks: list[JSON] = []
    for position, part in enumerate(content):
        blocks += _part(part, f"{where}.content.{position}")
    return blocks


def _part(part: Any, where: str) -> list[JSON]:  # noqa: ANN401 - a wire body
    if isinstance(part, str):
        return text_blocks(part)
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "text":
            blocks = text_blocks(str(part.get("text") or ""))
            if blocks and "cache_control" in part:
                blocks[0]["cache_control"] = part["cache_control"]
            return blocks
        case "image_url":
            image = part.get("image_url")
            return [_image(str(image.get("url") if isinstance(image, dict) else image), where)]
        case "file":
            return [_document(part.get("file"), where)]
        case "refusal":
            return text_blocks(str(part.get("refusal") or ""))
        case _:
            raise unsupported(f"a part of type {str(kind)[:40]!r} cannot be sent to this provider", where)


def _image(url: str, where: str) -> JSON:
    match = _DATA_URL.match(url)
    if match is not None:
        if match[1].lower() not in _IMAGES:
            raise unsupported(f"images of type {match[1][:40]} are not taken", where)
        source = {"type": "base64", "media_type": match[1].lower(), "data": url[match.end() :]}
        return {"type": "image", "source": source}
    if not url.startswith(("https://", "http://")):
        raise bad_request("an image must be an https or a base64 data URL", where)
    return {"type": "image", "source": {"type": "url", "url": url}}


def _document(file: Any, where: str) -> JSON:  # noqa: ANN401 - a wire body
    if not isinstance(file, dict):
        raise bad_request("a file is an object with file_data", where)
    document: JSON = {"type": "document", "source": _source(file, where)}
    if isinstance(file.get("filename"), str) and file["filename"]:
        document["title"] = file["filename"]
    return document


def _source(file: JSON, where: str) -> JSON:
    stated = file.get("file_data") or file.get("file_url")
    if not isinstance(stated, str):
        # A file's id belongs to whoever keeps it.
        raise unsupported("a file kept by another provider cannot be sent: file_data is needed", where)
    if stated.startswith(("https://", "http://")):
        return {"type": "url", "url": stated}
    match = _DATA_URL.match(stated)
    if match is None:
        raise bad_request("a file must be a base64 data URL", where)
    data = stated[match.end() :]
    match match[1]:
        case "application/pdf":
            return {"type": "base64", "media_type": "application/pdf", "data": data}
        case "text/plain":
            return {"type": "text", "media_type": "text/plain", "data": _decoded(data, where)}
        case kind:
            raise unsupported(f"files of type {kind[:40]} are not taken: PDF and plain text are", where)


def _decoded(data: str, where: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        raise bad_request("a text file is not base64 of UTF-8", where) from None


def text_blocks(text: str) -> list[JSON]:
    """One text block; none for whitespace, which the API refuses."""
    return [{"type": "text", "text": text}] if text.strip() else []
