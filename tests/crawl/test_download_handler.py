"""The private class of Scrapy that the download handler extends has the parts that it overrides and uses."""

from __future__ import annotations

import inspect

from harvester.crawl.downloadhandlers import DownloadHandler

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
    assert {"experimental", "lazy"} <= set(dir(scrapys)), "each start would warn, or open what is not needed"
