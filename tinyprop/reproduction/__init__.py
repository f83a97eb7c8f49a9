"""The published claims put to the test: what was claimed, the studies behind it, and a verdict for each.

`CLAIMS` and `STUDIES` are data. `gather` makes evidence of a study's runs, `score` holds the claims against it. Nothing
here trains, prints or draws: `tinyprop.cli.reproduce` and `tinyprop.report.reproduction` do.
"""

from tinyprop.reproduction.claims import CLAIMS, Claim
from tinyprop.reproduction.evidence import Evidence, gather
from tinyprop.reproduction.scoring import Score, score
from tinyprop.reproduction.studies import STUDIES, Study
from tinyprop.reproduction.verdicts import RULE, Condition, Figure, Verdict

__all__ = [
    "CLAIMS",
    "RULE",
    "STUDIES",
    "Claim",
    "Condition",
    "Evidence",
    "Figure",
    "Score",
    "Study",
    "Verdict",
    "gather",
    "score",
]
