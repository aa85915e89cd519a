"""The private class of Scrapy that the download handler extends has the parts that it overrides and uses."""

from __future__ import annotations

import inspect

from aiohttp import ClientResponseError, RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from harvester.crawl.downloadhandlers import DownloadHandler, _hide

USED = {
    "self._extract_proxy_url_with_creds(request)": "a request would ignore HTTPS_PROXY and NO_PROXY",
    "self._request_headers(request)": "each request would copy its headers",
    "self._session": "no request would say who crawls (User-Agent)",
}


def test_scrapy_calls_what_the_handler_overrides() -> None:
    scrapys = DownloadHandler.__mro__[1]
    source = inspect.getsource(scrapys)
    assert {used: harm for used, harm in USED.items() if used not in source} == {}
    for name in ("_extract_proxy_url_with_creds", "_request_headers"):
        assert list(inspect.signature(getattr(scrapys, name)).parameters)[-1:] == ["request"]
    assert list(inspect.signature(scrapys._make_request).parameters) == ["self", "request", "timeout"]
    assert {"experimental", "lazy"} <= set(dir(scrapys)), "each start would warn, or open what is not needed"


def test_no_error_of_a_request_shows_its_token() -> None:
    outer = OSError("Getting https://x.org/1?token=secret%3D took longer than 3 seconds")
    outer.__cause__ = ValueError(5, "secret=")
    outer.__cause__.__context__ = KeyError("secret=")
    url = URL("https://x.org/1?token=secret%3D", encoded=True)
    request = RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()))
    outer.__context__ = ClientResponseError(request, (), status=400, message="Bad status line")
    _hide(outer, "secret=")
    assert outer.args == ("Getting https://x.org/1?token= took longer than 3 seconds",)
    assert outer.__cause__.args == (5, "")
    assert outer.__cause__.__context__ is not None
    assert outer.__cause__.__context__.args == ("",)
    assert "Bad status line" in str(outer.__context__)
    assert "secret" not in str(outer.__context__) + repr(outer.__context__)
