"""One spider for each group of streams; `scrapy list` shows them."""
