"""Parts of messages as Google wants them: texts, pictures, sounds and files, as bytes or by reference."""

from __future__ import annotations

import re
from typing import Any, Final

from app.adapters.codec import bad_request, unsupported
from app.adapters.pictures import is_reference
from app.domain.chat import JSON

_DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w=.+\"-]+)*;base64,", re.IGNORECASE)
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+")
_SOUND: Final = re.compile(r"[a-z0-9]{2,12}")
_OF_EXTENSION: Final = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": "application/pdf",
}
_USUAL_DETAIL: Final = (None, "auto")


def plain_text(content: Any) -> str:  # noqa: ANN401 - a wire body
    """The text of a message's content."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str))


def parts_of(content: Any, where: str, warnings: list[str]) -> list[JSON]:  # noqa: ANN401 - a wire body
    """Google's parts of a content; raises ProviderError naming `where`. Empty texts, which it refuses, are left out."""
    if isinstance(content, str) or content is None:
        return _text(content or "")
    if not isinstance(content, list):
        raise bad_request("content is neither text nor a list of parts", f"{where}.content")
    parts: list[JSON] = []
    for position, part in enumerate(content):
        parts += _part(part, f"{where}.content.{position}", warnings)
    return parts


def _text(text: str) -> list[JSON]:
    return [{"text": text}] if text else []


def _part(part: Any, where: str, warnings: list[str]) -> list[JSON]:  # noqa: ANN401 - a wire body
    if isinstance(part, str):
        return _text(part)
    if not isinstance(part, dict):
        raise bad_request("a part is no object", where)
    kind = part.get("type")
    match kind:
        case "text" | "refusal":
            said = part.get(kind)
            return _text(said if isinstance(said, str) else "")
        case "image_url":
            return [_image(part.get("image_url"), where, warnings)]
        case "input_audio":
            return [_sound(part.get("input_audio"), where)]
        case "file":
            return [_file(part.get("file"), where)]
        case _:
            raise unsupported(f"a part of type {str(kind)[:40]!r} cannot be sent to this provider", where)


def _image(image: Any, where: str, warnings: list[str]) -> JSON:  # noqa: ANN401 - a wire body
    stated = image if isinstance(image, dict) else {"url": image}
    url = stated.get("url")
    if not isinstance(url, str):
        raise bad_request("an image must have a URL", where)
    if stated.get("detail") not in _USUAL_DETAIL:
        warnings.append("image_url.detail was dropped: this API sets the detail of all pictures at once")
    if url[:5].lower() == "data:":
        return _inline(url, where)
    if is_reference(url):
        return _reference(url, stated)
    if url[:8].lower() == "https://" or url[:7].lower() == "http://":
        raise unsupported("a picture behind a URL has to be fetched first, which is not set up here", where)
    raise bad_request("an image must be an https, a gs or a base64 data URL", where)


def _sound(sound: Any, where: str) -> JSON:  # noqa: ANN401 - a wire body
    content = sound.get("data") if isinstance(sound, dict) else None
    kind = sound.get("format") if isinstance(sound, dict) else None
    if not isinstance(content, str) or not isinstance(kind, str) or not _SOUND.fullmatch(kind):
        raise bad_request("input_audio must have base64 data and a format", where)
    return {"inlineData": {"mimeType": f"audio/{kind}", "data": content}}


def _file(file: Any, where: str) -> JSON:  # noqa: ANN401 - a wire body
    stated = file if isinstance(file, dict) else {}
    content, reference, address = stated.get("file_data"), stated.get("file_id"), stated.get("file_url")
    if isinstance(content, str):
        return _inline(content, where)
    if isinstance(reference, str) and is_reference(reference):
        return _reference(reference, stated)
    if isinstance(reference, str):
        raise unsupported("a file_id must be the address of a file at Google", where)
    if isinstance(address, str) and is_reference(address):
        return _reference(address, stated)
    if isinstance(address, str):
        raise unsupported("a document behind a URL is read at Google's own addresses only: file_data is needed", where)
    raise bad_request("a file must be a base64 data URL or a file_id", where)


def _inline(url: str, where: str) -> JSON:
    match = _DATA_URL.match(url)
    if match is None:
        raise bad_request("a data URL must state its media type and be base64", where)
    return {"inlineData": {"mimeType": match["type"].lower(), "data": url[match.end() :]}}


def _reference(url: str, stated: JSON) -> JSON:
    """The media type is the caller's (`format`, `mime_type`) or the name's; Google knows it of its own files."""
    given = stated.get("format") or stated.get("mime_type")
    known = _OF_EXTENSION.get(url.rpartition(".")[2].lower())
    media_type = given if isinstance(given, str) and _MEDIA_TYPE.fullmatch(given) else known
    return {"fileData": {"mimeType": media_type, "fileUri": url} if media_type else {"fileUri": url}}
