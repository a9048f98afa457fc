"""Fit primitives to the convex collision meshes of a robot model and print them as MJCF geoms.

A collision mesh acts in MuJoCo as its convex hull P = {x : a_i x <= b_i, |a_i| = 1}. A capsule, cylinder or box is
written as unit directions and a free size; its size is the largest one that keeps it inside P grown by `over`:

    capsule p q    r = min(d(p), d(q)) + over,  d(x) = min_i (b_i - a_i x)                                          [m]
    cylinder p q   r = min_i (b_i + over / sqrt 2 - max(a_i p, a_i q)) / |a_i - (a_i u) u|,  u = (q - p) / |q - p|  [m]
    box c R h      s = min_i (b_i + over / sqrt 3 - a_i c) / sum_k h_k |a_i R_k|,  half sizes s h                   [m]

A ball of radius d(x) + over at x lies in P grown by `over`, and so does the hull of two of them: a capsule overshoots P
by at most `over` by construction, not by sampling. For the other two the roots allow for edges and corners, which lie
farther out than the faces they join (exact where the faces of P meet at right angles or wider). The other half of the
tolerance, the undershoot of the union U of all shapes,

    under = max over x in P of distance(x, U)                                                                       [m]

is lowered by random moves of decreasing size that keep every improvement of the sum over sample points x_j (vertices,
edges, faces, inside) of max(0, distance(x_j, U))^8, a smooth stand-in for the maximum. Shapes are added where the
undershoot is worst until it is within its tolerance; now and then one is thrown out and put in again there.

Hulls more than 2 * over apart then never touch with the fitted shapes, and hulls that penetrate by clearly more than
2 * under still do; in practice half of that suffices. tests/robots/test_shipped_models.py checks 10 mm both ways.

Usage: python tools/fit_collision_shapes.py MODEL.xml [--body NAME] [--over MM] [--under MM]. Needs numpy, scipy, numba
and mujoco. Without tolerances it takes those of the shipped models (TOLERANCES) and so prints their shapes.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

CAPSULE, CYLINDER, BOX = 0, 1, 2
CLOSE_FIT = 2e-3  # [m]
SAMPLES = 1200  # wanted number of sample points; their spacing follows from it
HULL_DIRECTIONS = 4000  # hulls with more vertices are first reduced to their extreme points in this many directions
BLOCKS_PER_SHAPE, MOVES_PER_BLOCK = 120, 40  # a block moves one shape while the others rest
ROUNDS = (
    12  # per number of shapes: first each kind is tried at the worst place, then shapes are thrown out and put back
)
CYLINDER_HANDICAP = 1.25  # MuJoCo collides a cylinder 5-10 times slower than a capsule or a box: it must earn its place

# Overshoot and undershoot [mm] by mesh. The overshoot keeps 2 * over below 10 mm; the undershoot allows few shapes (it
# is reached at edges, seldom by both bodies of a pair at once). Fingers and jaws, which touch objects, are closer.
DEFAULT_TOLERANCE = (4.6, 7.5)
TOLERANCES = {
    "link0_c": (4.6, 8.5),  # Panda
    "hand_c": (4.0, 6.0),
    "finger_0": (1.0, 2.0),
    "vx300s_1_base": (4.8, 6.0),  # ALOHA
    "vx300s_2_shoulder": (4.6, 5.5),
    "vx300s_4_upper_forearm": (4.6, 5.0),
    "vx300s_5_lower_forearm": (4.6, 4.0),
    "vx300s_6_wrist": (4.6, 5.0),
    "vx300s_7_gripper_prop": (3.0, 3.0),
    "vx300s_7_gripper_bar": (4.0, 4.5),
    "vx300s_7_gripper_wrist_mount": (4.0, 4.5),
    "d405_solid": (3.0, 3.0),
    "vx300s_8_custom_finger_left": (0.05, 3.0),  # the inner faces are 0.2 mm apart at home
    "vx300s_8_custom_finger_right": (0.05, 3.0),
    "wrist_roll_follower_so101_gripper_part0_v1": (1.0, 2.0),  # SO-101
    "moving_jaw_so101_gripper_part0_v1": (1.0, 2.0),
    "moving_jaw_so101_gripper_part1_v1": (0.5, 1.5),
}


@dataclass(frozen=True)
class Hull:
    """Convex hull in its body's frame: planes a (m, 3), b (m,) [m], vertices (n, 3) and sample points (j, 3) [m]."""

    normal: Array
    offset: Array
    vertices: Array
    samples: Array


@dataclass(frozen=True)
class Fit:
    """Kinds (k,), parameters (k, 9) [m, m, log m or rad], and the undershoot [m] at the sample points."""

    kind: NDArray[np.int64]
    shape: Array
    under: float


def load_without_missing_visuals(path: Path) -> mujoco.MjModel:
    """Compile an MJCF file after deleting the mesh geoms whose file is absent (stripped visual meshes)."""
    spec = mujoco.MjSpec.from_file(str(path))
    absent = {mesh.name for mesh in spec.meshes if not (path.parent / spec.meshdir / mesh.file).exists()}
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH and geom.meshname in absent:
            spec.delete(geom)
    for mesh in list(spec.meshes):
        if mesh.name in absent:
            spec.delete(mesh)
    return spec.compile()


def hull_vertices(model: mujoco.MjModel, geom: int) -> Array:
    """Vertices (n, 3) [m] of the hull that MuJoCo collides for a mesh geom, in the frame of the geom's body."""
    mesh = model.geom_dataid[geom]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count].astype(np.float64)
    graph = model.mesh_graphadr[mesh]
    if graph >= 0:  # mesh_graph: number of vertices, of faces, edge addresses, then the vertex numbers of the hull
        n = model.mesh_graph[graph]
        vertices = vertices[model.mesh_graph[graph + 2 + n : graph + 2 + 2 * n]]
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    return vertices @ rotation.reshape(3, 3).T + model.geom_pos[geom]


def make_hull(vertices: Array, rng: np.random.Generator) -> Hull:
    """Planes and sample points of the convex hull of `vertices`."""
    if len(vertices) > 1000:
        direction = rng.normal(size=(HULL_DIRECTIONS, 3))
        vertices = vertices[np.unique(np.argmax(vertices @ direction.T, axis=0))]
    hull = ConvexHull(vertices)
    # Triangles of one flat face repeat its plane: rounding to 1e-4 moves no plane by more than 0.1 mm.
    _, first = np.unique(hull.equations.round(4), axis=0, return_index=True)
    planes = hull.equations[first]
    faces, corners = vertices[hull.simplices], vertices[hull.vertices]
    area = 0.5 * np.linalg.norm(np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]), axis=1).sum()
    spacing = np.sqrt(area / SAMPLES)
    inside = rng.dirichlet(np.full(len(corners), 0.3), size=SAMPLES // 4) @ corners
    points = np.vstack([*(_triangle_points(face, spacing) for face in faces), inside])
    _, first = np.unique(np.floor(points / spacing), axis=0, return_index=True)
    samples = np.vstack([corners, points[first]])
    return Hull(np.ascontiguousarray(planes[:, :3]), np.ascontiguousarray(-planes[:, 3]), corners, samples)


def _triangle_points(corner: Array, spacing: float) -> Array:
    """Points on a triangle (3, 3), edges included, at most `spacing` [m] apart."""
    longest = max(np.linalg.norm(corner[i] - corner[i - 1]) for i in range(3))
    n = int(np.ceil(longest / spacing))
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1))
    i, j = i[i + j <= n] / n, j[i + j <= n] / n
    return np.stack([i, j, 1 - i - j], axis=1) @ corner


@njit(cache=True, fastmath=True)
def _rotation(vector: Array) -> Array:
    """Rotation matrix of a rotation vector [rad] (Rodrigues)."""
    angle = np.sqrt((vector * vector).sum()) + 1e-12
    x, y, z = vector / angle
    c, s = np.cos(angle), np.sin(angle)
    k = 1 - c
    return np.array(
        [
            [c + x * x * k, x * y * k - z * s, x * z * k + y * s],
            [y * x * k + z * s, c + y * y * k, y * z * k - x * s],
            [z * x * k - y * s, z * y * k + x * s, c + z * z * k],
        ]
    )


@njit(cache=True, fastmath=True)
def _dot(a: Array, b: Array) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(cache=True, fastmath=True)
def _size(kind: int, shape: Array, normal: Array, offset: Array, over: float) -> float:
    """The free size (r or s above) with which the shape just stays inside the hull grown by `over`."""
    best = 1e9
    p, q = shape[:3], shape[3:6]
    if kind == BOX:
        turn = _rotation(shape[3:6]).T.copy()  # rows R_k
        h0, h1, h2 = np.exp(shape[6]), np.exp(shape[7]), np.exp(shape[8])
        for i in range(len(offset)):
            a = normal[i]
            reach = h0 * abs(_dot(a, turn[0])) + h1 * abs(_dot(a, turn[1])) + h2 * abs(_dot(a, turn[2]))
            best = min(best, (offset[i] + over / np.sqrt(3.0) - _dot(a, p)) / reach)
        return best
    axis = (q - p) / (np.sqrt(_dot(q - p, q - p)) + 1e-9)
    for i in range(len(offset)):
        a = normal[i]
        room = offset[i] - max(_dot(a, p), _dot(a, q))
        if kind == CAPSULE:
            best = min(best, room + over)
        else:
            sine = np.sqrt(max(1e-12, 1.0 - _dot(a, axis) ** 2))
            best = min(best, (room + over / np.sqrt(2.0)) / sine)
    return best


@njit(cache=True, fastmath=True)
def _distances(kind: int, shape: Array, size: float, samples: Array, out: Array) -> None:
    """Signed distance [m] of every sample from one shape, written to `out`."""
    if kind == BOX:
        turn, half = _rotation(shape[3:6]), size * np.exp(shape[6:9])
        for j in range(len(samples)):
            x, y, z = samples[j, 0] - shape[0], samples[j, 1] - shape[1], samples[j, 2] - shape[2]
            outside, deepest = 0.0, -1e9
            for k in range(3):
                gap = abs(x * turn[0, k] + y * turn[1, k] + z * turn[2, k]) - half[k]
                outside += max(0.0, gap) ** 2
                deepest = max(deepest, gap)
            out[j] = np.sqrt(outside) if deepest > 0 else deepest
        return
    p, axis = shape[:3], shape[3:6] - shape[:3]
    length = np.sqrt(_dot(axis, axis)) + 1e-9
    axis = axis / length
    for j in range(len(samples)):
        x, y, z = samples[j, 0] - p[0], samples[j, 1] - p[1], samples[j, 2] - p[2]
        along = x * axis[0] + y * axis[1] + z * axis[2]
        t = min(length, max(0.0, along)) if kind == CAPSULE else along
        radial = np.sqrt((x - t * axis[0]) ** 2 + (y - t * axis[1]) ** 2 + (z - t * axis[2]) ** 2) - size
        beyond = max(-along, along - length) if kind == CYLINDER else -1e9
        both = beyond > 0.0 and radial > 0.0
        out[j] = np.sqrt(beyond * beyond + radial * radial) if both else max(beyond, radial)


@njit(cache=True, fastmath=True)
def _cost(distance: Array, rest: Array) -> float:
    """Sum of distance^8 [mm^8] over the samples outside this shape and all others, `rest` [m] away from the others."""
    total = 0.0
    for j in range(len(rest)):
        square = (max(0.0, min(distance[j], rest[j])) * 1e3) ** 2
        total += square * square * square * square
    return total


@njit(cache=True, fastmath=True)
def _propose(kind: int, shape: Array, size: float) -> Array:
    """A randomly moved copy: one end or both of a capsule or cylinder; place, turn and proportions of a box."""
    moved = shape.copy()
    which = np.random.randint(3)
    if kind == BOX:
        if which != 1:
            moved[:3] += np.random.normal(0.0, size, 3)
        if which != 0:
            moved[3:9] += np.random.normal(0.0, 10.0 * size, 6)  # 10 rad per m: a lever arm of 100 mm
    else:
        if which != 1:
            moved[:3] += np.random.normal(0.0, size, 3)
        if which != 0:
            moved[3:6] += np.random.normal(0.0, size, 3)
    return moved


@njit(cache=True, fastmath=True)
def _improve(
    kind: NDArray, shape: Array, normal: Array, offset: Array, samples: Array, over: float, seed: int
) -> float:
    """Random moves of the shapes in place, keeping every improvement of the cost. Returns the undershoot [m]."""
    np.random.seed(seed)
    k, n = len(shape), len(samples)
    distance = np.empty((k, n))
    for c in range(k):
        _distances(kind[c], shape[c], _size(kind[c], shape[c], normal, offset, over), samples, distance[c])
    blocks = BLOCKS_PER_SHAPE * k
    for block in range(blocks):
        c = np.random.randint(k)
        rest = np.full(n, 1.0)
        for other in range(k):
            if other != c:
                rest = np.minimum(rest, distance[other])
        open_ = np.flatnonzero(rest > 0.0)  # what the other shapes cover costs nothing, wherever this one goes
        rest, points, trial = rest[open_], samples[open_], np.empty(len(open_))
        cost = _cost(distance[c][open_], rest)
        for _ in range(MOVES_PER_BLOCK):
            # Moves between 30 mm and 0.1 mm: large ones early, small ones throughout.
            proposal = _propose(kind[c], shape[c], 10.0 ** np.random.uniform(-4.0, -1.5 - 1.5 * block / blocks))
            size = _size(kind[c], proposal, normal, offset, over)
            if size <= 5e-4:
                continue
            _distances(kind[c], proposal, size, points, trial)
            proposed = _cost(trial, rest)
            if proposed < cost:
                cost = proposed
                shape[c] = proposal
        _distances(kind[c], shape[c], _size(kind[c], shape[c], normal, offset, over), samples, distance[c])
    under = -1.0
    for j in range(n):
        under = max(under, distance[:, j].min())
    return under


def sizes(fit: Fit, hull: Hull, over: float) -> list[float]:
    """Free size of every shape, see the module's formula."""
    return [_size(kind, shape, hull.normal, hull.offset, over) for kind, shape in zip(fit.kind, fit.shape, strict=True)]


def fit_hull(hull: Hull, over: float, under: float, kinds: list[int], seed: int = 0, most: int = 16) -> Fit:
    """Fewest shapes found that overshoot the hull by at most `over` [m] and undershoot it by at most `under` [m]."""
    rng = np.random.default_rng(seed)
    fit = Fit(np.empty(0, np.int64), np.empty((0, 9)), np.inf)
    while len(fit.kind) < most and fit.under > under:
        tries = [_with_one_more(fit, kind, hull, over, rng) for kind in kinds for _ in range(2)]
        fit = min(tries, key=_score)
        for _ in range(ROUNDS):
            keep = np.delete(np.arange(len(fit.kind)), rng.integers(len(fit.kind)))
            fewer = Fit(fit.kind[keep], fit.shape[keep], np.inf)
            fit = min(fit, _with_one_more(fewer, int(rng.choice(kinds)), hull, over, rng), key=_score)
    return fit


def _score(fit: Fit) -> float:
    return fit.under * CYLINDER_HANDICAP ** np.count_nonzero(fit.kind == CYLINDER)


def _with_one_more(fit: Fit, kind: int, hull: Hull, over: float, rng: np.random.Generator) -> Fit:
    """`fit` and one more shape where the undershoot is worst, all of them improved together."""
    centre, near = hull.vertices.mean(axis=0), np.full(len(hull.samples), np.inf)
    distance = np.empty_like(near)
    for one, shape, size in zip(fit.kind, fit.shape, sizes(fit, hull, over), strict=True):
        _distances(one, shape, size, hull.samples, distance)
        near = np.minimum(near, distance)
    # Halfway in: the worst sample itself lies on the surface, where a shape would have no size.
    place = 0.5 * (centre + hull.samples[near.argmax()]) if len(fit.kind) else centre
    spread = 0.25 * (hull.vertices - centre).std(axis=0)
    shape = np.zeros(9)
    shape[:3] = place + spread * rng.normal(size=3)
    shape[3:6] = 1e-3 * rng.normal(size=3) if kind == BOX else place + spread * rng.normal(size=3)
    shape[6:9] = np.log(hull.vertices.std(axis=0))
    kinds, shapes = np.append(fit.kind, kind), np.vstack([fit.shape, shape])
    missed = _improve(kinds, shapes, hull.normal, hull.offset, hull.samples, over, int(rng.integers(2**31)))
    return Fit(kinds, shapes, missed)


def mjcf(fit: Fit, hull: Hull, over: float) -> list[str]:
    """The shapes as MJCF geoms in the body's frame, rounded to 0.1 mm."""
    lines = []
    for kind, shape, size in zip(fit.kind, fit.shape, sizes(fit, hull, over), strict=True):
        if kind == BOX:
            quat = Rotation.from_rotvec(shape[3:6]).as_quat(scalar_first=True)
            turn = "" if abs(quat[0]) > 0.999999 else f' quat="{_numbers(quat)}"'
            half = _numbers(size * np.exp(shape[6:9]))
            lines.append(f'<geom type="box" size="{half}" pos="{_numbers(shape[:3])}"{turn}/>')
        elif kind == CAPSULE and np.linalg.norm(shape[3:6] - shape[:3]) < 1e-3:
            lines.append(f'<geom type="sphere" size="{size:.4f}" pos="{_numbers((shape[:3] + shape[3:6]) / 2)}"/>')
        else:
            name = "capsule" if kind == CAPSULE else "cylinder"
            lines.append(f'<geom type="{name}" size="{size:.4f}" fromto="{_numbers(shape[:6])}"/>')
    return lines


def _numbers(values: Array) -> str:
    return " ".join(np.format_float_positional(v, precision=4, trim="-") for v in values.round(4) + 0.0)


def shapes_for(model: mujoco.MjModel, geom: int, over: float, under: float) -> tuple[list[str], float]:
    """MJCF geoms for one mesh geom, and their undershoot [m]; the same on every run, the seeds are fixed."""
    hull = make_hull(hull_vertices(model, geom), np.random.default_rng(0))
    # Closely fitted parts touch objects, where a cylinder has too few contact points.
    kinds = [CAPSULE, BOX] if over < CLOSE_FIT else [CAPSULE, CYLINDER, BOX]
    fit = fit_hull(hull, over, under, kinds)
    return mjcf(fit, hull, over), fit.under


def main() -> None:
    """Fit every colliding mesh geom of a model and print the geoms, body by body."""
    parser = argparse.ArgumentParser(description="Fit primitives to the convex collision meshes of a model.")
    parser.add_argument("model", type=Path, help="MJCF file with collision meshes")
    parser.add_argument("--body", action="append", help="only this body; may be repeated")
    parser.add_argument("--over", type=float, help="largest overshoot [mm]")
    parser.add_argument("--under", type=float, help="largest undershoot [mm]")
    args = parser.parse_args()
    model = load_without_missing_visuals(args.model)
    for geom in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_MESH):
        body, mesh = model.body(model.geom_bodyid[geom]).name, model.mesh(model.geom_dataid[geom]).name
        if not (model.geom_contype[geom] or model.geom_conaffinity[geom]) or (args.body and body not in args.body):
            continue
        usual_over, usual_under = TOLERANCES.get(mesh, DEFAULT_TOLERANCE)
        over, under = args.over or usual_over, args.under or usual_under
        lines, missed = shapes_for(model, int(geom), over * 1e-3, under * 1e-3)
        print(f"<!-- {body}: {mesh}, overshoot at most {over:g} mm, undershoot {missed * 1e3:.1f} mm -->")
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
