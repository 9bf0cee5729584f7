"""Energy and CO2 of each cell, estimated offline by codecarbon; where that cannot be, nulls and the reason.

One tracker a process, asked at the start and the end of a cell: two readings of about ten milliseconds. The CPU
counts as its thermal design power times the share of it that this process used, also where the machine has an
energy counter: a counter reads the whole machine, so several workers would each count all. Nothing is written,
printed or sent.
"""

from __future__ import annotations

import functools
import logging
import math
import time

from ..errors import UserError, one_line

COUNTRY = "USA"  # the grid of the paper's authors; ISO 3166-1 alpha-3
SECONDS_BETWEEN_SAMPLES = 60.0  # within a long cell; a sample walks the process table
SETTINGS = {
    "tracking_mode": "process", "force_mode_cpu_load": True, "measure_power_secs": 1e6, "allow_multiple_runs": True,
    "output_methods": [], "emissions_endpoint": "", "electricitymaps_api_token": "", "log_level": "critical",
    # what follows is at its default: named, as codecarbon would else ask the user's files and variables, and change
    # the numbers by factors that records do not say
    "pue": 1.0, "wue": 0.0, "force_cpu_power": None, "force_ram_power": None, "rapl_include_dram": False,
    "rapl_prefer_psys": False, "force_carbon_intensity_g_co2e_kwh": None, "cloud_provider": None,
    "cloud_region": None, "country_2letter_iso_code": None, "output_handlers": [],
}  # fmt: skip


def checked_grid(country: str | None, region: str | None) -> tuple[str, str]:
    """(country, region) whose electricity is counted: ISO code of three letters, and a state or "".

    By default `COUNTRY`. It changes no address. Raises UserError for one codecarbon has no grid mix of.
    """
    country, region = (country or COUNTRY).strip().upper(), (region or "").strip().lower()
    if (country, region) == (COUNTRY, ""):
        return country, region
    from codecarbon.input import DataSource

    known = DataSource()
    if country not in known.get_global_energy_mix_data():
        raise UserError(f"country {country!r} is unknown; expected an ISO code of three letters, such as USA or DEU")
    readers = {"USA": known.get_country_emissions_data, "CAN": known.get_country_energy_mix_data}
    states = readers[country](country.lower()) if country in readers else ()
    regions = sorted(name.lower() for name in states if not name.startswith("_"))
    if region and region not in regions:
        raise UserError(f"region {region!r} of {country} is unknown; regions: {', '.join(regions) or 'none'}")
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

    def __exit__(self, *error: object) -> None:
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
            watts = [float(part._tdp) for part in self.tracker._hardware if getattr(part, "_tdp", None)]
            about |= {"cpu_model": found.cpu_model, "cpu_watts": watts[0] if watts else None}
            numbers = {"energy_kwh": found.energy_consumed, "co2_kg": found.emissions}
        return {**numbers, "gpu_hours": self.seconds / 3600 if self.gpu else 0.0, "energy": about}


def gpu_of(device) -> str:
    """How codecarbon knows a torch device: the GPU's own identifier, "" for a CPU."""
    if device.type != "cuda":
        return ""
    import torch

    uuid = str(getattr(torch.cuda.get_device_properties(device), "uuid", ""))
    return uuid if uuid.startswith("GPU-") or not uuid else f"GPU-{uuid}"


@functools.lru_cache(maxsize=4)
def _tracker(country: str, region: str, gpu: str):
    """(tracker, None), or (None, why there is none)."""
    logging.getLogger("codecarbon").disabled = True
    place = {"country_iso_code": country, "region": region or None, "gpu_ids": [gpu] if gpu else []}
    try:
        from codecarbon import OfflineEmissionsTracker

        tracker = OfflineEmissionsTracker(**place, **SETTINGS)
        tracker._scheduler_monitor_power.interval = SECONDS_BETWEEN_SAMPLES
        tracker.start_task()
        tracker.stop_task()
        return tracker, None
    except Exception as error:  # its files cannot be shut out before it has read them
        return None, f"{_reason(error)}; if there is a .codecarbon.config, see whether it is whole"


def _reason(error: Exception) -> str:
    return f"codecarbon stopped: {type(error).__name__}: {one_line(error, 120)}"
