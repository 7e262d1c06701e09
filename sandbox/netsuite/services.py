"""The REST services behind the sign-in: which address and verb means what."""

from collections.abc import Mapping
from typing import Any

from sandbox.netsuite.errors import RequestRefused
from sandbox.netsuite.jobs import BATCH_MAX, Jobs
from sandbox.netsuite.records import Records
from sandbox.netsuite.schema import SCHEMAS
from sandbox.netsuite.settings import NetSuiteSettings
from sandbox.netsuite.suiteql import SuiteQl
from sandbox.netsuite.web import Answer, Call, json_answer

__all__ = ["RestServices"]

_COLLECTION = "type=collection"


class RestServices:
    """Record, query, async and system services of one account."""

    def __init__(
        self, settings: NetSuiteSettings, records: Records, suiteql: SuiteQl, jobs: Jobs
    ) -> None:
        self._settings = settings
        self._records = records
        self._suiteql = suiteql
        self._jobs = jobs

    def answer(self, call: Call) -> Answer:
        """Raises RequestRefused for everything that is not served."""
        match call.parts:
            case ("query", "v1", "suiteql"):
                return self._query(call)
            case ("record", "v1", "metadata-catalog", *rest):
                return self._catalogue(call, rest)
            case ("record", "v1", kind, *rest):
                return self._record(call, kind, tuple(rest))
            case ("async", "v1", "job", *rest):
                return self._jobs.show(call, tuple(part for part in rest if part))
            case ("system", "v1", "governanceLimits"):
                limit = self._settings.concurrency_limit
                return json_answer(
                    {"accountConcurrencyLimit": limit, "accountUnallocatedConcurrencyLimit": limit}
                )
        raise RequestRefused(404, "NONEXISTENT_ID", "The requested resource does not exist.")

    # -- query ----------------------------------------------------------------------------------

    def _query(self, call: Call) -> Answer:
        if call.method != "POST":
            raise RequestRefused(405, "METHOD_NOT_ALLOWED", "Use POST.")
        if "transient" not in call.headers.get("prefer", ""):
            raise RequestRefused(
                400,
                "INVALID_HEADER",
                "Invalid value for the 'Prefer' header. The value must be 'transient'.",
            )
        body = call.json()
        text = body.get("q") if isinstance(body, dict) else None
        if not isinstance(text, str):
            raise RequestRefused(400, "INVALID_PARAMETER", "Missing query.", path="q")
        limit, offset = self._paging(call)
        rows, total = self._suiteql.query(text, limit, offset)
        return json_answer(self._page(call, rows, offset, limit, total), kind="collection")

    def _paging(self, call: Call) -> tuple[int, int]:
        try:
            limit = int(call.query.get("limit", 1000))
            offset = int(call.query.get("offset", 0))
        except ValueError:
            raise RequestRefused(400, "INVALID_PARAMETER", "limit and offset are numbers") from None
        if not 1 <= limit <= 1000 or offset < 0 or offset % limit:
            raise RequestRefused(
                400,
                "INVALID_PARAMETER",
                "limit is 1 to 1000 and the offset a multiple of it.",
                path="limit",
            )
        return min(limit, self._settings.page_rows_max), offset

    @staticmethod
    def _page(call: Call, rows: list[Any], offset: int, limit: int, total: int) -> dict[str, Any]:
        has_more = offset + len(rows) < total
        where = f"{call.root}/{'/'.join(call.parts)}"
        links = [{"rel": "self", "href": where}]
        if has_more:
            following = f"{where}?limit={limit}&offset={offset + limit}"
            links.append({"rel": "next", "href": following})
        return {
            "links": links,
            "count": len(rows),
            "hasMore": has_more,
            "items": rows,
            "offset": offset,
            "totalResults": total,
        }

    # -- records --------------------------------------------------------------------------------

    def _record(self, call: Call, kind: str, rest: tuple[str, ...]) -> Answer:
        records = self._records
        match (call.method, rest):
            case ("GET", ()):
                return self._listed(call, kind)
            case ("GET", (key,)):
                return json_answer(self._chosen(call, records.shown(kind, key, call.root)))
            case ("GET", (key, sublist)):
                shown = records.shown(kind, key, call.root).get(sublist)
                if not isinstance(shown, dict):
                    raise RequestRefused(404, "NONEXISTENT_ID", f"There is no {sublist}.")
                return json_answer(shown, kind="collection")
        if call.is_async:
            return self._jobs.accept(call, lambda: self._batch(call, kind, rest))
        if call.method == "DELETE" and len(rest) == 1:
            records.delete(kind, rest[0])
            return Answer(204)
        record = self._changed(call, kind, rest, call.json())
        where = f"{call.root}/record/v1/{record[0]}/{record[1]}"
        return Answer(204, b"", {"Location": where})

    def _changed(self, call: Call, kind: str, rest: tuple[str, ...], body: Any) -> tuple[str, str]:
        """Do one change; type and id of the record."""
        records = self._records
        is_strict = (
            call.headers.get("x-netsuite-propertynamevalidation", "error").lower() == "error"
        )
        replace = frozenset(filter(None, call.query.get("replace", "").split(",")))
        match (call.method, rest):
            case ("POST", ()):
                record = records.create(kind, body, is_strict=is_strict)
            case ("POST", (key, "!transform", target)):
                record = records.transform(
                    kind, key, target, body, replace=replace, is_strict=is_strict
                )
            case ("PATCH", (key,)):
                record = records.change(kind, key, body, replace=replace, is_strict=is_strict)
            case ("PUT", (key,)):
                record = records.upsert(kind, key, body, replace=replace, is_strict=is_strict)
            case _:
                raise RequestRefused(405, "METHOD_NOT_ALLOWED", f"{call.method} is not allowed.")
        return record.kind, record.id

    def _batch(self, call: Call, kind: str, rest: tuple[str, ...]) -> list[dict[str, Any]]:
        """Every item of a collection, or the one request, each with its own outcome."""
        body = call.json()
        if _COLLECTION not in call.headers.get("content-type", ""):
            return [self._item(call, kind, rest, body)]
        items = body.get("items") if isinstance(body, dict) else None
        if not isinstance(items, list) or len(items) > BATCH_MAX:
            raise RequestRefused(
                400, "INVALID_CONTENT", f"A collection has up to {BATCH_MAX} items.", path="items"
            )
        found = []
        for one in items:
            key = one.get("id") or f"eid:{one.get('externalId', '')}"
            place = rest if call.method == "POST" else (str(key),)
            found.append(self._item(call, kind, place, one))
        return found

    def _item(self, call: Call, kind: str, place: tuple[str, ...], body: Any) -> dict[str, Any]:
        external_id = body.get("externalId", "") if isinstance(body, dict) else ""
        try:
            found_kind, number = self._changed(call, kind, place, body)
        except RequestRefused as refused:
            return {
                "externalId": external_id,
                "status": "failed",
                "o:errorDetails": [
                    {
                        "detail": refused.detail,
                        "o:errorCode": refused.code,
                        "o:errorPath": refused.path,
                    }
                ],
            }
        where = f"{call.root}/record/v1/{found_kind}/{number}"
        return {
            "externalId": external_id,
            "status": "succeeded",
            "id": number,
            "links": [{"rel": "self", "href": where}],
        }

    def _listed(self, call: Call, kind: str) -> Answer:
        """Ids and links only, or with ``expandRecords`` the records named by ``ids``."""
        records = self._records
        ids = records.ids(kind, call.query.get("q", ""))
        if call.query.get("expandRecords") == "true" and "ids" in call.query:
            rows = [records.shown(kind, one, call.root) for one in call.query["ids"].split(",")]
            return json_answer(self._page(call, rows, 0, len(rows), len(rows)), kind="collection")
        limit, offset = self._paging(call)
        rows = [
            {
                "links": [{"rel": "self", "href": f"{call.root}/record/v1/{kind}/{one}"}],
                "id": one,
            }
            for one in ids[offset : offset + limit]
        ]
        return json_answer(self._page(call, rows, offset, limit, len(ids)), kind="collection")

    @staticmethod
    def _chosen(call: Call, shown: Mapping[str, Any]) -> Mapping[str, Any]:
        """``fields`` and ``expandSubResources`` of a single record."""
        names = set(filter(None, call.query.get("fields", "").split(",")))
        found = {k: v for k, v in shown.items() if not names or k in names or k in ("id", "links")}
        if call.query.get("expandSubResources") != "true":
            for name, value in found.items():
                if isinstance(value, dict) and "items" in value:
                    found[name] = {"links": value["links"]}
        return found

    def _catalogue(self, call: Call, rest: list[str]) -> Answer:
        """What record types there are; of one, its fields as JSON schema."""
        if rest:
            rules = SCHEMAS.get(rest[0])
            if rules is None:
                raise RequestRefused(404, "NONEXISTENT_ID", f"There is no {rest[0]}.")
            kinds = {"money": "number", "flag": "boolean", "integer": "integer"}
            properties = {
                name: {"title": name, "type": kinds.get(rule.kind, "string")}
                for name, rule in rules.items()
            }
            return json_answer(
                {"$schema": "https://json-schema.org/draft-06/hyper-schema#", "type": "object",
                 "properties": properties}
            )  # fmt: skip
        rows = [
            {
                "name": name,
                "links": [
                    {
                        "rel": "canonical",
                        "href": f"{call.root}/record/v1/metadata-catalog/{name}",
                        "mediaType": "application/json",
                    }
                ],
            }
            for name in SCHEMAS
        ]
        return json_answer({"items": rows, "links": []}, kind="collection")
