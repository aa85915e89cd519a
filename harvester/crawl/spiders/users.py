"""Users, and their lists: projects, favorites, followers, following, curated studios."""

from harvester.crawl.spider import FrontierSpider


class UsersSpider(FrontierSpider):
    """Spider of these streams."""

    name = "users"
