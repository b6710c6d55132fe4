"""Environments of the peers and of the sampler: each has libraries that do not stand beside ours, so each gets a venv
of its own.

Made when first needed, under CROSSROADS_BENCH_CACHE, else `~/.cache/crossroads-benchmarks`, from the package index that
pip is configured for. The folder's name holds its requirements' digest: other requirements make another one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from schemas.errors import CrossroadsError

#: The versions that were measured.
REQUIREMENTS = {
    "pika": ("pika==1.4.4", "uvloop==0.23.0"),
    "faststream": ("faststream[rabbit]==0.7.8", "aio-pika==10.2.1", "uvloop==0.23.0"),
    "py-spy": ("py-spy==0.4.3",),
    "nameko": ("nameko==2.14.1", "kombu==5.7.0", "eventlet==0.41.3", "setuptools<80"),
}


def cache() -> Path:
    named = os.environ.get("CROSSROADS_BENCH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "crossroads-benchmarks"


def python(peer: str) -> str:
    """The interpreter of a peer's environment, which is made where it is missing. CrossroadsError says what failed."""
    wanted = REQUIREMENTS[peer]
    digest = hashlib.sha256("\n".join((sys.version, *wanted)).encode()).hexdigest()[:12]
    place = cache() / f"{peer}-{digest}"
    found = place / "bin" / "python"
    if not found.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(f"{place.name}.{os.getpid()}")
        try:
            venv.create(new, with_pip=True)
            command = [str(new / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                raise CrossroadsError(
                    f"no environment for {peer}: pip could not install {' '.join(wanted)}: "
                    f"{made.stderr.strip()[-500:]}. Leave its row out with --only, or give pip an index"
                )
            new.rename(place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return str(found)
