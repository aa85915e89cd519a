"""Description and decoding of the Scratch API; pure, with no I/O, no Scrapy and no SQL."""
