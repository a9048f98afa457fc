"""simcheck: replay robot trajectories on a physics model and say what mechanics does not allow."""

__version__ = "0.1.0"
