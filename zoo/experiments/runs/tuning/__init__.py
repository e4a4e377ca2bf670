"""Search the settings of models: suggest trials by Optuna, train them, choose on validation."""
