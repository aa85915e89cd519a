"""What the Scratch API serves: pure, with no I/O, no Scrapy and no SQL."""
