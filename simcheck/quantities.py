"""Everything physical about one episode as plain arrays: what checks read, and all they read.

A group that was not or could not be computed is None, and `missing` says why. Shapes: T judged frames, nv
degrees of freedom. Rows of every array are judged frames; `frame` gives their number in the recording.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from simcheck.flags import Evidence
from simcheck.trajectory import Channel, Poses, TimeBase, Trajectory


@dataclass(frozen=True, slots=True)
class Joints:
    """The degrees of freedom of the bound model.

    Attributes:
        names: (nv,) joint each degree of freedom belongs to.
        units: (nv,) "rad" or "m".
        robot: (nv,) bool: a hinge or slide of the robot, which joint checks judge.
        actuated: (nv,) bool: driven by an actuator of its own (a coupled finger is not).
        observed: (nv,) bool: the recording has it; the others are held at the home pose.
        evidence: (nv,) how the position of this joint became known.
        effort_evidence: (nv,) the weakest evidence among everything the joint's torque depends on.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    robot: np.ndarray
    actuated: np.ndarray
    observed: np.ndarray
    evidence: tuple[Evidence, ...]
    effort_evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits per degree of freedom, nan where nobody declared one, and who declared them.

    `source` maps the field's name to a citation. Scalars at the end are of the end effector and the payload.
    """

    position: np.ndarray  # (nv, 2) [rad, m]
    velocity: np.ndarray  # (nv,) [rad/s, m/s]
    acceleration: np.ndarray  # (nv,) [rad/s², m/s²]
    jerk: np.ndarray  # (nv,) [rad/s³, m/s³]
    effort: np.ndarray  # (nv,) [N m, N]
    effort_continuous: np.ndarray  # (nv,) [N m, N]
    effort_rate: np.ndarray  # (nv,) [N m/s, N/s]
    source: dict[str, str] = field(default_factory=dict)
    ee_speed: float = np.nan  # [m/s]
    ee_acceleration: float = np.nan  # [m/s²]
    payload: float = np.nan  # [kg]
    reach: float = np.nan  # [m]


@dataclass(frozen=True, slots=True)
class Motion:
    """Derivatives on the configuration manifold, all (T, nv); sigma_* is one standard deviation.

    `bandwidth` [Hz] is the −3 dB frequency of the acceleration estimate: faster content is not in it.
    """

    qvel: np.ndarray  # [rad/s, m/s]
    qacc: np.ndarray  # [rad/s², m/s²]
    jerk: np.ndarray  # [rad/s³, m/s³]
    sigma_qvel: np.ndarray
    sigma_qacc: np.ndarray
    sigma_jerk: np.ndarray
    sigma_qpos: np.ndarray  # (nv,) noise of a single position sample [rad, m]
    velocity_recorded: np.ndarray  # (T, nv) as recorded; nan where it was not
    velocity_used: np.ndarray  # (nv,) bool: it agreed with the positions and entered the estimate
    bandwidth: float


@dataclass(frozen=True, slots=True)
class Effort:
    """Generalized force the motion needs, without contact forces, of the band-limited motion.

    Attributes:
        needed: (T, nv) qfrc_inverse for an empty gripper [N m, N].
        gravity: (T, nv) its static part, q̇ = q̈ = 0.
        damping: (T, nv) its part that scales with velocity.
        sigma: (T, nv) one standard deviation: differentiation noise, model error, dry friction.
        per_payload: (T, nv) extra force per kilogram of point mass at the end effector [N m/kg]; nan without one.
        in_contact: (T,) bool: the robot touches something that is not itself, so `needed` is not what it applied.
        at_stop: (T, nv) bool: the joint is at or beyond an end of its range within the fit's window, where the end
            stop may carry part of it.
    """

    needed: np.ndarray
    gravity: np.ndarray
    damping: np.ndarray
    sigma: np.ndarray
    per_payload: np.ndarray
    in_contact: np.ndarray
    at_stop: np.ndarray


@dataclass(frozen=True, slots=True)
class MeasuredEffort:
    """Recorded effort by degree of freedom, nan where there is none.

    `smooth` is filtered exactly as the motion was, so that it can be compared with Effort.needed;
    `sigma` is the noise of a smoothed sample.
    """

    raw: np.ndarray  # (T, nv) [N m, N]
    smooth: np.ndarray  # (T, nv)
    sigma: np.ndarray  # (nv,)
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class EndEffector:
    """One end-effector frame.

    Attributes:
        position: (T, 3) [m] by forward kinematics, in the robot's base frame.
        quaternion: (T, 4) wxyz.
        speed, acceleration: (T,) [m/s], [m/s²] magnitudes, with their sigma.
        linear_acceleration: (T, 3) [m/s²], world.
        dexterity: (T,) smallest singular value of the Jacobian, angular rows scaled by the reach [m].
        recorded: pose in the recording, on the judged frames, if any.
        recorded_frame_known: the recording says it is in the base frame.
        sigma_position: (T,) [m] one standard deviation from joint noise.
        evidence: weakest among the joints it depends on.
    """

    position: np.ndarray
    quaternion: np.ndarray
    speed: np.ndarray
    sigma_speed: np.ndarray
    acceleration: np.ndarray
    sigma_acceleration: np.ndarray
    linear_acceleration: np.ndarray
    dexterity: np.ndarray
    sigma_position: np.ndarray
    recorded: Poses | None
    recorded_frame_known: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts and near contacts of all frames as a flat list, N rows, sorted by frame.

    Attributes:
        row: (N,) judged frame.
        pair: (N,) index into `pairs`.
        dist: (N,) [m] signed distance of the shapes, negative inside each other.
        sigma: (N,) [m] uncertainty of dist: joint noise seen at the contact, and the shapes' stated error.
        position: (N, 3) [m], world.
        pairs: body-name pairs.
        kind: per pair, one of "self" (one arm with itself), "arms" (two arms), "scenery", "object", "other".
        permanent: per pair, in contact at the home pose too: how the model is, not how the motion is.
        kinds: kinds of pairs the model could have; a check of another kind has nothing to look at.
        margin: [m] distances up to this are listed.
        evidence: weakest among the joints it depends on.
    """

    row: np.ndarray
    pair: np.ndarray
    dist: np.ndarray
    sigma: np.ndarray
    position: np.ndarray
    pairs: tuple[tuple[str, str], ...]
    kind: tuple[str, ...]
    permanent: tuple[bool, ...]
    kinds: tuple[str, ...]
    margin: float
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Explanation:
    """Forces on free bodies and what can have applied them, per interval between two frames: T − 1 rows, nb bodies.

    Attributes:
        bodies: (nb,) names of objects and floating bases.
        weight: (nb,) m g [N].
        radius: (nb,) radius of gyration [m].
        needed: (T − 1, nb, 3) force something has to apply besides gravity [N], world.
        force: (T − 1, nb) [N] the part no contact within its friction cone and no drive within its limit applies.
        torque: (T − 1, nb) [N m] likewise.
        sigma_force, sigma_torque: one standard deviation from the noise of the motion.
        touched: (T − 1, nb) bool: something is near enough to touch it.
        is_base: (nb,) bool: the floating base of the robot.
        failed: intervals whose solver did not converge.
        evidence: weakest among the poses it depends on.
    """

    bodies: tuple[str, ...]
    weight: np.ndarray
    radius: np.ndarray
    needed: np.ndarray
    force: np.ndarray
    torque: np.ndarray
    sigma_force: np.ndarray
    sigma_torque: np.ndarray
    touched: np.ndarray
    is_base: np.ndarray
    failed: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Quantities:
    """One episode, ready to be judged.

    Attributes:
        trajectory: the recording as read.
        frame: (T,) number of each judged frame in the recording; frames with non-finite numbers are left out.
        time: (T,) [s].
        qpos: (T, nq).
        position: (T, nv) joint positions by degree of freedom; nan for free and ball joints.
        edge: (T,) bool: the fit's window is one-sided here; derivatives are not judged (see decide).
        engine_warnings: engine warnings by name.
        duplicate_of: earlier episode of the dataset with the same numbers, if any.
        missing: why a group is None, by its name.
    """

    trajectory: Trajectory
    frame: np.ndarray
    time: np.ndarray
    joints: Joints | None = None
    limits: Limits | None = None
    qpos: np.ndarray | None = None
    position: np.ndarray | None = None
    target: np.ndarray | None = None  # (T, nv) commanded joint positions; nan where not commanded
    motion: Motion | None = None
    effort: Effort | None = None
    measured_effort: MeasuredEffort | None = None
    ee: dict[str, EndEffector] | None = None
    contacts: Contacts | None = None
    explanation: Explanation | None = None
    binding_notes: tuple[str, ...] = ()
    edge: np.ndarray | None = None
    engine_warnings: dict[str, int] = field(default_factory=dict)
    duplicate_of: str = ""
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def dt(self) -> float:
        """Median period of the recording [s]."""
        return float(np.median(np.diff(self.time))) if len(self.time) > 1 else np.nan


def example(**changes: object) -> Quantities:
    """A clean two-joint episode of 90 frames at 30 Hz, for the examples of checks; `changes` replace groups.

    q_j = 0.4 sin(2π 0.4 t + j), exact derivatives, every limit at least twice what the motion needs.
    """
    time = np.arange(90) / 30
    phase, omega = 2 * np.pi * 0.4 * time[:, None] + np.arange(2), 2 * np.pi * 0.4
    q = 0.4 * np.sin(phase)
    shape, ones = q.shape, np.ones(2)
    names = ("shoulder", "elbow")
    effort = 10 * np.cos(q) + 0.5 * -(omega**2) * q
    ee_position = 0.5 * np.stack([np.cos(q[:, 0]), np.sin(q[:, 0]), 1 + 0 * time], axis=1)
    still = np.zeros(90)
    values: dict[str, object] = {
        "trajectory": Trajectory(
            "example", time, TimeBase.MEASURED, position=Channel(names, q, ("rad", "rad")),
            action=Channel(names, q + 0.01, ("rad", "rad")), fingerprint="example",
        ),
        "frame": np.arange(90), "time": time, "qpos": q, "position": q, "target": q + 0.01,
        "joints": Joints(names, ("rad", "rad"), ones > 0, ones > 0, ones > 0, (Evidence.DECLARED,) * 2,
                         (Evidence.DECLARED,) * 2),
        "limits": Limits(
            position=np.array([[-2.0, 2.0]] * 2), velocity=5 * ones, acceleration=20 * ones, jerk=500 * ones,
            effort=50 * ones, effort_continuous=30 * ones, effort_rate=500 * ones,
            source=dict.fromkeys(("position", "velocity", "acceleration", "jerk", "effort", "effort_continuous",
                                  "effort_rate", "ee_speed", "ee_acceleration", "payload", "reach"), "example"),
            ee_speed=2.0, ee_acceleration=20.0, payload=1.0, reach=1.2),
        "motion": Motion(
            qvel=0.4 * omega * np.cos(phase), qacc=-(omega**2) * q, jerk=-(omega**3) * 0.4 * np.cos(phase),
            sigma_qvel=np.full(shape, 1e-3), sigma_qacc=np.full(shape, 1e-2), sigma_jerk=np.full(shape, 0.1),
            sigma_qpos=np.full(2, 1e-4), velocity_recorded=0.4 * omega * np.cos(phase),
            velocity_used=ones > 0, bandwidth=3.0),
        "effort": Effort(
            needed=effort, gravity=10 * np.cos(q), damping=0 * q, sigma=np.full(shape, 0.2),
            per_payload=np.full(shape, 5.0), in_contact=still > 0, at_stop=q > 9),
        "measured_effort": MeasuredEffort(effort, effort, np.full(2, 0.05), Evidence.MEASURED),
        "ee": {"ee": EndEffector(
            position=ee_position, quaternion=np.tile([1.0, 0, 0, 0], (90, 1)), speed=still + 0.3,
            sigma_speed=still + 0.01, acceleration=still + 1.0, sigma_acceleration=still + 0.05,
            linear_acceleration=np.zeros((90, 3)),
            dexterity=still + 0.2, sigma_position=still + 1e-4, recorded=Poses(ee_position, None),
            recorded_frame_known=True, evidence=Evidence.DECLARED)},
        "contacts": Contacts(
            row=np.arange(90), pair=np.zeros(90, int), dist=np.full(90, 0.05), sigma=np.full(90, 1e-3),
            position=np.zeros((90, 3)), pairs=(("upper_arm", "hand"),), kind=("self",), permanent=(False,),
            kinds=("self", "arms", "scenery", "object"),
            margin=0.06, evidence=Evidence.DECLARED),
        "explanation": Explanation(
            bodies=("cube",), weight=np.array([2.0]), radius=np.array([0.02]),
            needed=np.tile([[[0, 0, 2.0]]], (89, 1, 1)),
            force=np.zeros((89, 1)), torque=np.zeros((89, 1)), sigma_force=np.full((89, 1), 0.01),
            sigma_torque=np.full((89, 1), 1e-4), touched=np.ones((89, 1), bool), is_base=np.zeros(1, bool), failed=0,
            evidence=Evidence.MEASURED),
    }  # fmt: skip
    return Quantities(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def altered(group: str, **changes: object) -> Quantities:
    """The example with some arrays of one of its groups replaced."""
    base = example()
    value = getattr(base, group)
    return replace(base, **{group: replace(value, **changes)})
