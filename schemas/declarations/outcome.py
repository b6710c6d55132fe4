"""In which world a form is declared, and how it ended: the words of both sides."""

from enum import Enum
from typing import Literal

#: `R` real; `T` the test environment, a world of its own; a simulation is judged by what is real and forgotten.
Environment = Literal["R", "T", "S"]


class Result(Enum):
    """How a form ended. What could not be read as a form, and a list of workers that is answered, have one too."""

    ACCEPTED = "accepted"
    #: Accepted, with an anomaly that does not block.
    WARNED = "accepted with warning"
    #: Kept, and still to be validated (ResultCode 2).
    TO_VALIDATE = "to be validated"
    REFUSED = "refused"
