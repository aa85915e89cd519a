"""Scrapy's settings, each with its default and the reason to differ. Values of an operator come from `config`."""

from harvester.config import MOST_AT_ONCE, settings

_chosen = settings()

BOT_NAME = "scratch-harvester"
SPIDER_MODULES = ["harvester.crawl.spiders"]
USER_AGENT = _chosen.user_agent  # default: Scrapy's own name; this names the operator and a contact

CONCURRENT_REQUESTS = MOST_AT_ONCE  # default 16: the spider bounds its visits by the rate of the warehouse
CONCURRENT_REQUESTS_PER_DOMAIN = CONCURRENT_REQUESTS  # default 8: there is only one API host
CONCURRENT_ITEMS = 1  # default 100: so many tasks start for each response, 564 requests/s against 996
DOWNLOAD_TIMEOUT = 30  # default 180 s: a request that takes longer is repeated
DOWNLOAD_MAXSIZE = 16 * 2**20  # default 1 GiB: the largest page is some 150 KiB
DOWNLOAD_WARNSIZE = 0  # default 32 MiB: DOWNLOAD_MAXSIZE refuses what is too large
DOWNLOAD_DELAY = 0  # default 0: the rate limit in the warehouse holds for all workers together
RETRY_ENABLED = False  # default True: a visit repeats its own requests, and can pause all workers
DOWNLOAD_VERIFY_CERTIFICATES = True  # default False: the host must prove its identity
REDIRECT_ENABLED = False  # default True: a redirect is never data (bans and maintenance pages redirect)
COOKIES_ENABLED = False  # default True: no request of a spider has a session
TELNETCONSOLE_ENABLED = False  # default True: the console would let others control the process
TWISTED_REACTOR_ENABLED = False  # default True: asyncio alone makes 2,390 requests/s, the reactor 1,892
ASYNCIO_EVENT_LOOP = "uvloop.Loop"  # default: asyncio's own loop, 2,390 requests/s against 2,579
# default: handlers of Twisted, which need the reactor
DOWNLOAD_HANDLERS = dict.fromkeys(("http", "https"), "harvester.crawl.downloadhandlers.DownloadHandler")
ROBOTSTXT_OBEY = bool(_chosen.public_hosts)  # default False: obeyed for hosts that are not this machine
AUTOTHROTTLE_ENABLED = False  # default False: it ignores other workers, and never slows down on 429
HTTPCACHE_ENABLED = False  # default False: a page of a changing list must not come from a cache
DUPEFILTER_CLASS = "scrapy.dupefilters.BaseDupeFilter"  # default RFPDupeFilter: the frontier has each entry once
DEFAULT_REQUEST_HEADERS = {"Accept": "application/json", "Accept-Language": "en"}  # default: those of an HTML reader

# Scrapy's own lists load components that a JSON API does not need even if they are switched off (0.4 s of each start),
# and an extension that runs code sent to it over HTTP: only the components that are named here are loaded.
DOWNLOADER_MIDDLEWARES_BASE = {
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": 100,
    "scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware": 350,
    "harvester.crawl.middlewares.UnpackingMiddleware": 590,
    "harvester.crawl.middlewares.PoliteMiddleware": 900,  # nearest to the network: each request passes it
}
SPIDER_MIDDLEWARES_BASE: dict[str, int] = {}
EXTENSIONS_BASE = {"harvester.crawl.extensions.RecordFeedExporter": 0}
FEED_EXPORT_ENCODING = "utf-8"  # default: JSON with non-ASCII letters escaped
FEED_EXPORTERS = {"gz": "harvester.crawl.extensions.GzipJsonLinesExporter"}  # default: no exporter for out.jsonl.gz
ITEM_PIPELINES_BASE = {  # a pipeline of `-s ITEM_PIPELINES` between the two sees rows that are not stored yet
    "harvester.crawl.pipelines.NormalizePipeline": 100,
    "harvester.crawl.pipelines.WarehousePipeline": 300,
}

LOG_LEVEL = "WARNING"  # default DEBUG: a line for each request would hold names of children
LOG_FORMATTER = "harvester.crawl.log_formatter.QuietFormatter"  # default: formats each page and item, logged or not
