"""Projects, their remixes, and the studios they are in."""

from harvester.crawl.spider import FrontierSpider


class ProjectsSpider(FrontierSpider):
    """Visits what is due of these streams."""

    name = "projects"
