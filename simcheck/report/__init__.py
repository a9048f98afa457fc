"""Results for people: one offline HTML file, and a summary for the terminal."""

from simcheck.report.html import write_html

__all__ = ["write_html"]
