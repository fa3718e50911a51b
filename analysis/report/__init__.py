"""The comparison report: sections and figures put together into one page and its files."""
