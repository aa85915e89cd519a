"""Projects, their remixes, and the studios they are in."""

from harvester.crawl.spider import FrontierSpider


class ProjectsSpider(FrontierSpider):
    """Spider of these streams."""

    name = "projects"
