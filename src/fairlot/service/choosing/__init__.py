"""Everything that is running, decided at once for one profile: what the Choose face answers."""

from fairlot.service.choosing.chooser import Chooser
from fairlot.service.choosing.errors import UnknownUser
from fairlot.service.choosing.explaining import explain_choice
from fairlot.service.choosing.question import DEFAULT_SESSION, Chosen, Question, claim_of

__all__ = [
    "DEFAULT_SESSION",
    "Chooser",
    "Chosen",
    "Question",
    "UnknownUser",
    "claim_of",
    "explain_choice",
]
