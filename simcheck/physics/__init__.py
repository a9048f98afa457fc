"""Everything that talks to the physics engine. No other package imports mujoco."""
