"""The operator's own account: a spider only where HARVESTER_SESSION holds its session."""

from harvester.config import settings
from harvester.crawl.spider import FrontierSpider

if settings().session is not None:

    class AccountSpider(FrontierSpider):
        """Spider of these streams, with the token of the account."""

        name = "account"
