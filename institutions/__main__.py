"""`python -m institutions ADDRESS…`: as `crossroads institution`."""

import sys

from institutions.process import main
from schemas.errors import CrossroadsError

if len(sys.argv) < 2:
    sys.exit("python -m institutions ADDRESS…: which institutions shall this process be?")
try:
    main(sys.argv[1:])
except (CrossroadsError, OSError) as error:
    sys.exit(f"crossroads: {error}")
