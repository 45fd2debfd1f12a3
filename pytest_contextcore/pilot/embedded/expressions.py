"""PromQL of one target. Rates, errors and latency all come from the request duration histogram."""

from dataclasses import dataclass

from .manifest import Service


@dataclass(frozen=True, slots=True)
class Expressions:
    """The queries that dashboards and rules share."""

    service: Service
    target: str

    @property
    def _selector(self) -> str:
        return f'service="{self.target}"'

    @property
    def _failed_selector(self) -> str:
        return f'{self._selector}, {self.service.status_label}=~"5.."'

    def request_rate(self, window: str) -> str:
        """Requests per second."""
        return f"sum(rate({self.service.duration_metric}_count{{{self._selector}}}[{window}]))"

    def request_rate_by_status(self, window: str) -> str:
        """Requests per second, by status code."""
        label, metric = self.service.status_label, self.service.duration_metric
        return f"sum by ({label}) (rate({metric}_count{{{self._selector}}}[{window}]))"

    def error_ratio(self, window: str) -> str:
        """Share of requests that failed; zero if none did, nothing if there were no requests."""
        failed = f"sum(rate({self.service.duration_metric}_count{{{self._failed_selector}}}[{window}]))"
        return f"({failed} or vector(0)) / {self.request_rate(window)}"

    def latency(self, quantile: str, window: str) -> str:
        """Seconds within which this share of requests is answered."""
        buckets = f"sum by (le) (rate({self.service.duration_metric}_bucket{{{self._selector}}}[{window}]))"
        return f"histogram_quantile({quantile}, {buckets})"

    @property
    def recorded_throughput(self) -> str:
        """The recorded series that holds this target's throughput."""
        return f"{THROUGHPUT_SERIES}{{{self._selector}}}"


THROUGHPUT_SERIES = "service:http_requests:rate5m"
