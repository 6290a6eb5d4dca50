"""One deployment with its page: broker, Redis, consumer, simulator, service."""

import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from stack.ports import pick_port
from tests.deployment import Deployment
from tests.faults.lab import Lab, wait_for

SETTINGS: dict[str, object] = {
    "bucket_seconds": 2,
    "max_out_of_orderness_seconds": 1,
    "idle_timeout_seconds": 2,
}
"""A bucket every two seconds; stale after a few."""

TRAFFIC = ("--create-topics", "--rate=80", "--backlog-days=0.005", "--malformed=0.01")
"""In real time, after seven minutes of a past."""


@dataclass
class Site:
    """The page's address, and the processes behind it."""

    lab: Lab
    deployment: Deployment
    port: int = field(default_factory=pick_port)
    service: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start everything; return when forecasts are served."""
        self.deployment.start("consume", "--create-topics")
        self.deployment.start("simulate", *TRAFFIC)
        self.start_service()
        wait_for(lambda: answers(f"{self.url}readyz"), "forecasts at the service", 180)

    def start_service(self, *arguments: str) -> None:
        self.service = self.deployment.start("serve", f"--serve-port={self.port}", *arguments)
        wait_for(lambda: answers(f"{self.url}healthz"), "the service")

    def stop_service(self) -> None:
        assert self.service is not None
        self.service.terminate()
        assert self.service.wait(60) == 0

    def newest_forecasts(self, bucket_start: int) -> dict[str, tuple[int, float, float, float]]:
        """Return what the topic has of a bucket: count, median, low and high by genre."""
        found = {}
        for forecast in self.deployment.forecasts():
            if forecast.bucket_start == bucket_start:
                quantiles = forecast.horizon[0].quantiles
                step = (quantiles["0.5"], quantiles["0.1"], quantiles["0.9"])
                found[forecast.genre] = (forecast.observed_clicks, *step)
        return found


def answers(url: str) -> bool:
    """Say whether an address answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
