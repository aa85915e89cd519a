"""Validate a folder as an RO-Crate 1.2 without a network: python validate_crate.py FOLDER CACHE.

Runs where `roc-validator` and `rocrate` are installed. The validator would fetch the context of RO-Crate; it gets that
of version 1.3 from `rocrate`, in which the terms of 1.2 have the same meaning. Prints a line for each issue.
"""

import sys
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from requests import Request, Response
from requests_cache import CachedSession
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.2/context"

folder, cache = sys.argv[1:]
content = files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
headers = {"Content-Type": "application/ld+json"}
response = Response()
response.status_code, response.url = 200, CONTEXT
response.headers.update(headers)
response.request = Request("GET", CONTEXT).prepare()
response.raw = HTTPResponse(BytesIO(content), headers, 200, request_url=CONTEXT, preload_content=False)
with CachedSession(cache, backend="sqlite", expire_after=-1) as session:
    session.cache.save_response(response)
settings = ValidationSettings(
    rocrate_uri=Path(folder),
    profile_identifier="ro-crate-1.2",
    requirement_severity=Severity.RECOMMENDED,
    offline=True,
    cache_path=Path(cache),
    cache_max_age=-1,
)
for issue in services.validate(settings).get_issues():
    print(issue.severity.name, issue.check.identifier, issue.message)
print("validated")
