"""Energy and CO2 of each cell, estimated offline by codecarbon; where that cannot be, nulls and the reason.

One tracker a process, asked at the start and the end of a cell: two readings of about ten milliseconds. The CPU
counts as its thermal design power times the share of it that this process used, also where the machine has an
energy counter: a counter reads the whole machine, so several workers would each count all. Nothing is written,
printed or sent.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import time
from collections.abc import Iterator
from types import TracebackType

from ..errors import UserError

COUNTRY = "USA"  # the grid of the paper's authors; ISO 3166-1 alpha-3
QUIET = logging.CRITICAL + 10
SECONDS_BETWEEN_SAMPLES = 60.0  # within a long cell; a sample walks the process table
NOT_MEASURED = "not measured"


def checked_grid(country: str | None, region: str | None) -> tuple[str, str]:
    """(country, region) whose electricity is counted: ISO code of three letters, and a state or "".

    By default `COUNTRY`. It changes no address. Raises UserError for one codecarbon has no grid mix of.
    """
    country, region = (country or COUNTRY).strip().upper(), (region or "").strip().lower()
    if (country, region) == (COUNTRY, ""):
        return country, region
    try:
        from codecarbon.input import DataSource
    except ImportError:
        return country, region  # nothing will be measured, and records say why
    known = DataSource()
    if country not in known.get_global_energy_mix_data():
        raise UserError(f"country {country!r} is unknown; expected an ISO code of three letters, such as USA or DEU")
    readers = {"USA": known.get_country_emissions_data, "CAN": known.get_country_energy_mix_data}
    states = readers[country](country.lower()) if country in readers else ()
    regions = sorted(name.lower() for name in states if not name.startswith("_"))
    if region and region not in regions:
        listed = ", ".join(regions) or "none for this country"
        raise UserError(f"region {region!r} of {country} is unknown; regions: {listed}")
    return country, region


class Meter:
    """Measures the block it is entered for; `fields()` is then what a record says.

    Making one looks at the hardware once a process, which takes a second or two: make it before any clock runs.
    """

    def __init__(self, country: str = COUNTRY, region: str = "", gpu: str = ""):
        self.country, self.region, self.gpu = country, region, gpu
        self.found, self.seconds = None, 0.0
        self.tracker, self.missing = _tracker(country, region, gpu)

    def __enter__(self) -> Meter:
        self.begin = time.perf_counter()
        self._ask("start_task")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self.begin
        self.found = self._ask("stop_task")

    def _ask(self, task: str):
        """What the tracker says; an error must never cost a result."""
        try:
            return getattr(self.tracker, task)() if self.missing is None else None
        except Exception as error:
            self.missing = _reason(error)
            return None

    def fields(self) -> dict:
        """energy_kwh, co2_kg (None where not measured), gpu_hours, and `energy`: parts, how measured, or why not."""
        found, missing = self.found, self.missing
        if found is None:
            missing = missing or "codecarbon gave no number"
        elif not math.isfinite(found.energy_consumed + found.emissions):
            missing = "codecarbon gave a number that is not finite"
        elif self.gpu and not found.gpu_energy:
            missing = "the GPU's energy counter could not be read"
        about = {"country": self.country, "region": self.region, "missing": missing}
        numbers = {"energy_kwh": None, "co2_kg": None}
        if missing is None:
            about |= {"cpu_kwh": found.cpu_energy, "ram_kwh": found.ram_energy, "gpu_kwh": found.gpu_energy}
            about |= {"tracker": f"codecarbon {found.codecarbon_version}", "mode": found.tracking_mode}
            about |= _processor(self.tracker, found)
            numbers = {"energy_kwh": found.energy_consumed, "co2_kg": found.emissions}
        return {**numbers, "gpu_hours": self.seconds / 3600 if self.gpu else 0.0, "energy": about}


def gpu_of(device) -> str:
    """How codecarbon knows a torch device: the GPU's own identifier, "" for a CPU."""
    if device.type != "cuda":
        return ""
    import torch

    uuid = str(getattr(torch.cuda.get_device_properties(device), "uuid", ""))
    return uuid if uuid.startswith("GPU-") or not uuid else f"GPU-{uuid}"


def how(record: dict) -> str:
    """How a record's energy was measured, or that it was not: one phrase for a page."""
    about = record.get("energy")
    if about is None:
        return NOT_MEASURED
    if about.get("missing"):
        return f"{NOT_MEASURED}: {about['missing']}"
    power = f", CPU {about['cpu_model']} at {about['cpu_watts']:g} W" if about.get("cpu_watts") else ""
    grid = ", ".join(part for part in (about["country"], about["region"].title()) if part)
    return f"{about['tracker']}, tracking mode {about['mode']}{power}, grid {grid}"


@functools.lru_cache(maxsize=4)
def _tracker(country: str, region: str, gpu: str):
    """(tracker, None), or (None, why there is none)."""
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        return None, "codecarbon is not installed"
    try:
        logging.getLogger("codecarbon").setLevel(QUIET)
        with _own_settings_only():
            tracker = OfflineEmissionsTracker(
                country_iso_code=country,
                region=region or None,
                tracking_mode="process",
                force_mode_cpu_load=True,
                gpu_ids=[gpu] if gpu else [],
                output_methods=[],
                emissions_endpoint="",
                electricitymaps_api_token="",
                allow_multiple_runs=True,
                measure_power_secs=1e6,
                log_level="critical",
            )
        tracker._scheduler_monitor_power.interval = SECONDS_BETWEEN_SAMPLES
        logging.getLogger("codecarbon").setLevel(QUIET)
        tracker.start_task()
        tracker.stop_task()
        return tracker, None
    except Exception as error:
        return None, _reason(error)


@contextlib.contextmanager
def _own_settings_only() -> Iterator[None]:
    """Within, codecarbon reads no settings of the user's (files, CODECARBON_ variables): records would not say them.

    Raises AttributeError where codecarbon asks for them in another way; nothing is measured then.
    """
    from codecarbon import emissions_tracker

    asked = emissions_tracker.get_hierarchical_config
    emissions_tracker.get_hierarchical_config = dict
    try:
        yield
    finally:
        emissions_tracker.get_hierarchical_config = asked


def _processor(tracker, found) -> dict:
    """The CPU's model and the power it is counted with at full load, in watts."""
    watts = [part._tdp for part in tracker._hardware if getattr(part, "_tdp", None)]
    return {"cpu_model": found.cpu_model, "cpu_watts": float(watts[0]) if watts else None}


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:120]
    return f"codecarbon stopped: {type(error).__name__}" + (f": {text}" if text else "")
