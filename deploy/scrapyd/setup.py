"""An egg for scrapyd that holds no code: it names the settings of the harvester that is installed beside scrapyd.

An egg with the code in it would be a second copy, without what it depends on and without the migrations, which have
to be files.
"""

from setuptools import setup

setup(
    name="scratch-harvester-on-scrapyd",
    version="1",
    packages=[],
    entry_points={"scrapy": ["settings = harvester.crawl.settings"]},
)
