"""Users, and their lists: projects, favorites, followers, following, curated studios."""

from harvester.crawl.spider import WalkSpider


class UsersSpider(WalkSpider):
    """Visits what is due of these streams."""

    name = "users"
