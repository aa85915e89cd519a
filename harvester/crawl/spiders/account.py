"""The operator's own account: its spider needs HARVESTER_SESSION, which holds the session."""

from harvester.crawl.spider import FrontierSpider


class AccountSpider(FrontierSpider):
    """Spider of these streams, with the token of the account."""

    name = "account"
