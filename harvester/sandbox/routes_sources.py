"""The host of the sources of projects, which asks for a token that `/projects/<id>` names."""

from __future__ import annotations

from urllib.parse import parse_qs

from harvester.sandbox.routes import Api, Refused, route


@route("/{project}", takes="query", content_type=b"application/octet-stream")
def project_source(api: Api, query: str, project_id: str) -> bytes | None:
    if not (project_id.isascii() and project_id.isdigit()):
        return None
    sources = api.community.sources
    token = parse_qs(query).get("token", [""])[0]
    if not sources.accepts(int(project_id), token):
        raise Refused(403, b'{"code":"Forbidden","message":"%b"}' % token.encode())  # error pages repeat what was asked
    row = api.project(project_id)
    return None if row is None else sources.body(row)
