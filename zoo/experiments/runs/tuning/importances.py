"""Share of every setting in the variance of the loss over a search space, by fANOVA (Hutter et al. 2014)."""

from collections.abc import Mapping, Sequence

from zoo.calls import Value
from zoo.experiments.runs.tuning.suggest import make_distribution, quiet, require_optuna
from zoo.experiments.study.space import Dimension

FEWEST = 4
"""Finished trials below which there are no importances."""


NO_SKLEARN = "scikit-learn is not installed"


def measure_importances(
    space: Mapping[str, Dimension], finished: Sequence[tuple[Mapping[str, Value], float]]
) -> tuple[dict[str, float], str]:
    """Return setting -> its share, the largest first, and "" or the reason why there are none.

    A share is that of a setting alone (its main effect); what the shares lack to 1 are interactions and noise.

    Args:
        finished: settings and loss of every finished trial. Optuna's default importance (PED-ANOVA) is not of variance:
            it says what separates the best tenth from the others.
    """
    if len(finished) < FEWEST:
        return {}, f"fewer than {FEWEST} trials finished"
    optuna = require_optuna()
    distributions = {name: make_distribution(dimension) for name, dimension in space.items()}
    with quiet():
        study = optuna.create_study()
        for chosen, loss in finished:
            params = {name: value for name, value in chosen.items() if name in distributions}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=loss))
        try:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
        except ImportError:
            return {}, NO_SKLEARN
        except (ValueError, RuntimeError) as error:
            return {}, str(error).splitlines()[0].rstrip(".")
    return dict(shares), "" if shares else "the space has one point"
