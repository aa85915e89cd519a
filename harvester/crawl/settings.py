"""Scrapy's settings, each with its default and why it differs. Values that an operator chooses come from `config`."""

from harvester.config import MOST_AT_ONCE, settings

_chosen = settings()

BOT_NAME = "scratch-harvester"
SPIDER_MODULES = ["harvester.crawl.spiders"]
USER_AGENT = _chosen.user_agent  # default: Scrapy's own name; an operator states who it is and how to reach them

CONCURRENT_REQUESTS = MOST_AT_ONCE  # default 16: the spider makes as many visits as the warehouse's rate has use for
CONCURRENT_REQUESTS_PER_DOMAIN = CONCURRENT_REQUESTS  # default 8: there is but one
CONCURRENT_ITEMS = 1  # default 100: Scrapy starts that many tasks per response, 564 against 996 requests/s
DOWNLOAD_TIMEOUT = 30  # default 180 s: a list that takes longer is asked again
DOWNLOAD_MAXSIZE = 16 * 2**20  # default 1 GiB: the largest page is some 150 KiB
DOWNLOAD_WARNSIZE = 0  # default 32 MiB: the limit above is the word
DOWNLOAD_DELAY = 0  # default 0: the budget in the warehouse paces all workers together
RETRY_ENABLED = False  # default True: a visit retries its own page, and may ask everybody to slow down
DOWNLOAD_VERIFY_CERTIFICATES = True  # default False: who answers must prove to be the host that was asked
REDIRECT_ENABLED = False  # default True: a redirect is never data (bans and maintenance redirect)
COOKIES_ENABLED = False  # default True: nothing here has a session
TELNETCONSOLE_ENABLED = False  # default True: no door into the process
TWISTED_REACTOR_ENABLED = False  # default True: the event loop alone, 1,892 against 2,390 requests/s
ASYNCIO_EVENT_LOOP = "uvloop.Loop"  # default: asyncio's own, 2,390 against 2,579 requests/s
# default: Twisted's, which needs the reactor
DOWNLOAD_HANDLERS = dict.fromkeys(("http", "https"), "harvester.crawl.downloadhandlers.DownloadHandler")
ROBOTSTXT_OBEY = bool(_chosen.public_hosts)  # default False: asked of hosts that are not this machine
AUTOTHROTTLE_ENABLED = False  # default False: it does not know other workers, and never slows on 429
HTTPCACHE_ENABLED = False  # default False: a page of a changing list must not come from a cache
DUPEFILTER_CLASS = "scrapy.dupefilters.BaseDupeFilter"  # default RFPDupeFilter: the frontier has nothing twice
DEFAULT_REQUEST_HEADERS = {"Accept": "application/json", "Accept-Language": "en"}  # default: an HTML reader's

# Scrapy's own lists, which load what a JSON API has no use for although it is switched off (0.4 s of every start), and
# an extension that runs code sent to it over HTTP: what is wanted is named here and nothing else is loaded.
DOWNLOADER_MIDDLEWARES_BASE = {
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": 100,
    "scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware": 350,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590,
    "harvester.crawl.middlewares.PoliteMiddleware": 900,  # nearest to the network: nothing passes by it
}
SPIDER_MIDDLEWARES_BASE: dict[str, int] = {}
EXTENSIONS_BASE = {"harvester.crawl.extensions.RecordFeedExporter": 0}
FEED_EXPORT_ENCODING = "utf-8"  # default: JSON with all other letters escaped
FEED_EXPORTERS = {"gz": "harvester.crawl.extensions.GzipJsonLinesExporter"}  # default: no format for out.jsonl.gz
ITEM_PIPELINES_BASE = {  # one of `-s ITEM_PIPELINES` between the two sees rows that are not stored yet
    "harvester.crawl.pipelines.NormalizePipeline": 100,
    "harvester.crawl.pipelines.WarehousePipeline": 300,
}

LOG_LEVEL = "WARNING"  # default DEBUG: a line per request would hold names of children
LOG_FORMATTER = "harvester.crawl.log_formatter.QuietFormatter"  # default: formats every page and item, even unlogged
