"""Users, and their lists: projects, favorites, followers, following, curated studios."""

from harvester.crawl.spider import FrontierSpider


class UsersSpider(FrontierSpider):
    """Visits what is due of these streams."""

    name = "users"
