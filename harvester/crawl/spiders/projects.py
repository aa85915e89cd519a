"""Projects, their remixes, and the studios they are in."""

from harvester.crawl.spider import WalkSpider


class ProjectsSpider(WalkSpider):
    """Visits what is due of these streams."""

    name = "projects"
