"""Files that schedule crawls and watch them: systemd, cron, Airflow, scrapyd, containers."""
