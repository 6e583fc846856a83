import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from infra import metrics

COUNT_ONE = "from infra import metrics; metrics.CASES_OPENED.inc(); "


def test_every_metric_is_named_for_the_project_and_says_what_it_is() -> None:
    families = list(text_string_to_metric_families(metrics.exposition().decode()))

    assert families
    for family in families:
        assert family.name.startswith("ringback_")
        assert family.documentation.endswith(".")


def test_the_time_from_payment_to_message_is_a_histogram_in_seconds() -> None:
    metrics.PAYMENT_TO_MESSAGE_SECONDS.labels("sms").observe(0.4)

    assert b'ringback_payment_to_message_seconds_bucket{channel="sms",le="0.5"}' in metrics.exposition()


def test_one_process_shows_the_figures_of_all_that_share_the_folder(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", COUNT_ONE], env=env, check=True)  # noqa: S603  # our own interpreter
    shown = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", COUNT_ONE + "print(metrics.exposition().decode())"],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "ringback_cases_opened_total 2.0" in shown.stdout
