"""Who explains this motion? Contact forces and actuator torques that satisfy the equation of motion, or the residual.

Over one interval of the log, with mean acceleration q̈ = (q̇_(t+1) − q̇_t)/Δt (the integral form, so that impacts
inside the interval are judged by the momentum they change),

    n = M q̈ + c − passive          the generalized force something has to apply      [N, N m]
    n = Sᵀτ + Σ_c J_cᵀ f_c         |τ_j| ≤ effort limit,  f_c in the friction cone of contact c

is solved for the witness (τ, f) with the smallest residual in the norm that measures forces in units of the body's
weight m g and torques in units of m g ρ, ρ its radius of gyration. Contacts of both end frames count. Each cone is
replaced by the pyramid of EDGES edges around it (μ' = μ / cos(π/EDGES)), which is never smaller than the cone: what
is called unexplained is unexplained by the cone too.

Bodies that share no contact are independent problems. A problem is first solved for the unactuated rows alone; only
if that witness asks an actuator for more than it has are the actuators' rows added.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from simcheck.physics.bounded import AT_ZERO, bounded_least_squares
from simcheck.physics.engine import collide, point_jacobian

EDGES = 16  # the pyramid around the cone is at most 2 % wider
MOST_CONTACTS = 64  # per interval; a scene with more is solved with the deepest
MOST_ITERATIONS = 400


class Problem(NamedTuple):
    """What stays the same over an episode.

    Attributes:
        body_tree: (nbody,) tree of each body; 0 for the world.
        dof_tree: (nv,) tree of each degree of freedom.
        geom_body: (ngeom,).
        actuated: (nv,) bool: an actuator acts on it, with `limit` (nv,), inf where none is declared.
        scale: (nv,) norm of each row: 1/(m g) for forces, 1/(m g ρ) for torques, of the tree's mass.
        spin: (k, 2) first rotational degree of freedom and body of every free joint, whose torques are expressed in
            world axes: body axes turn between the frames of an interval.
        judged: (ntree,) bool: the tree has rows nothing actuates, so its motion asks for an explanation.
    """

    body_tree: np.ndarray
    dof_tree: np.ndarray
    geom_body: np.ndarray
    actuated: np.ndarray
    limit: np.ndarray
    scale: np.ndarray
    spin: np.ndarray
    judged: np.ndarray


class ContactSet(NamedTuple):
    """Candidate contacts of one frame: rows 0…size of each array.

    Attributes:
        geom: (C, 2).
        direction: (C, 3, nv) generalized force of a unit force along normal, tangent 1, tangent 2.
        mu: (C,) sliding friction coefficient.
        size: (1,) their number.
    """

    geom: np.ndarray
    direction: np.ndarray
    mu: np.ndarray
    size: np.ndarray


def contact_set(nv: int) -> ContactSet:
    """An empty one."""
    return ContactSet(
        np.zeros((MOST_CONTACTS, 2), np.int64), np.zeros((MOST_CONTACTS, 3, nv)), np.zeros(MOST_CONTACTS),
        np.zeros(1, np.int64),
    )  # fmt: skip


@numba.njit(nogil=True, cache=True)
def gather(h, problem, qpos, qvel, dt, reach, friction_at, jac1, jac2, point, out) -> None:
    """Fill `out` with the contacts of one frame that may carry force in the interval `dt` [s] beside it.

    Those are shapes at most `reach` [m] apart, and those that their normal speed brings together within dt: a ball
    bounces between two frames.
    """
    h.qpos[:] = qpos
    collide(h)
    first, row = (h.contact[0] - h.arena_address) // 8, 0
    for c in range(h.ncon[0]):
        at = first + c * h.stride
        g1, g2 = h.arena_int[2 * at + h.at[3]], h.arena_int[2 * at + h.at[3] + 1]
        if row >= out.mu.shape[0] or g1 < 0 or g2 < 0:
            continue
        # Bodies still apart will be touched on their own surfaces; overlapping ones where the engine says.
        half = max(0.5 * h.arena[at + h.at[0]], 0.0)
        for i in range(3):
            point[i] = h.arena[at + h.at[1] + i] - half * h.arena[at + h.at[2] + i]
        point_jacobian(h, jac1, point, problem.geom_body[g1])
        for i in range(3):
            point[i] = h.arena[at + h.at[1] + i] + half * h.arena[at + h.at[2] + i]
        point_jacobian(h, jac2, point, problem.geom_body[g2])
        for k in range(3):
            for v in range(jac1.shape[1]):
                s = 0.0
                for i in range(3):
                    s += h.arena[at + h.at[2] + 3 * k + i] * (jac2[i, v] - jac1[i, v])
                out.direction[row, k, v] = s
        speed = 0.0
        for v in range(jac1.shape[1]):
            speed += out.direction[row, 0, v] * qvel[v]
        if h.arena[at + h.at[0]] > reach + abs(speed) * dt:
            continue
        for s in range(problem.spin.shape[0]):
            _to_world(out.direction[row], problem.spin[s, 0], h.xmat[problem.spin[s, 1]])
        out.geom[row, 0], out.geom[row, 1] = g1, g2
        out.mu[row] = h.arena[at + friction_at]
        row += 1
    out.size[0] = row


@numba.njit(nogil=True, cache=True)
def _to_world(direction, v, rotation) -> None:
    """Turn the torques (3, v…v+2) of a free joint from body axes to world axes."""
    for k in range(direction.shape[0]):
        x, y, z = direction[k, v], direction[k, v + 1], direction[k, v + 2]
        for i in range(3):
            direction[k, v + i] = rotation[3 * i] * x + rotation[3 * i + 1] * y + rotation[3 * i + 2] * z


@numba.njit(nogil=True, cache=True)
def components(problem, before, after, label) -> None:
    """Label (ntree,): trees that share a contact, directly or not, get one label; the world joins none."""
    for k in range(label.shape[0]):
        label[k] = k
    for contacts in (before, after):
        for c in range(contacts.size[0]):
            a = problem.body_tree[problem.geom_body[contacts.geom[c, 0]]]
            b = problem.body_tree[problem.geom_body[contacts.geom[c, 1]]]
            low, high = min(label[a], label[b]), max(label[a], label[b])
            if a == 0 or b == 0 or low == high:
                continue
            for k in range(label.shape[0]):
                if label[k] == high:
                    label[k] = low


class Scratch(NamedTuple):
    """Work space of one thread: the matrix of one component and what its columns stand for.

    Column k < edges[0] is an edge of a friction pyramid: contact[k, 1] of the frame before (contact[k, 0] = 0) or
    after (1), with tangential shares edge[k]. Later columns are actuators.
    """

    a: np.ndarray
    b: np.ndarray
    upper: np.ndarray
    x: np.ndarray
    state: np.ndarray
    columns: np.ndarray
    normal: np.ndarray
    z: np.ndarray
    left: np.ndarray
    rows: np.ndarray
    label: np.ndarray
    contact: np.ndarray
    edge: np.ndarray
    edges: np.ndarray


def scratch(nv: int, trees: int) -> Scratch:
    """Work space for a model with `nv` degrees of freedom in `trees` trees, the world included."""
    n = 2 * MOST_CONTACTS * EDGES
    return Scratch(
        np.zeros((nv, n + nv)), np.zeros(nv), np.zeros(n + nv), np.zeros(n + nv), np.zeros(n + nv, np.int64),
        np.zeros(nv + 1, np.int64), np.zeros((nv + 1, nv + 1)), np.zeros(nv + 1), np.zeros(nv), np.zeros(nv, np.int64),
        np.zeros(trees, np.int64), np.zeros((n, 2), np.int64), np.zeros((n, 2)), np.zeros(1, np.int64),
    )  # fmt: skip


@numba.njit(nogil=True, cache=True)
def _list_edges(problem, before, after, component, friction, w) -> None:
    """List the pyramid edges of the component's contacts. A pair in both frames counts with the later one."""
    n = 0
    for side in range(2):
        contacts = after if side == 1 else before
        for c in range(contacts.size[0]):
            t1 = problem.body_tree[problem.geom_body[contacts.geom[c, 0]]]
            t2 = problem.body_tree[problem.geom_body[contacts.geom[c, 1]]]
            if not ((t1 > 0 and w.label[t1] == component) or (t2 > 0 and w.label[t2] == component)):
                continue
            repeated = False
            if side == 0:
                for o in range(after.size[0]):
                    if after.geom[o, 0] == contacts.geom[c, 0] and after.geom[o, 1] == contacts.geom[c, 1]:
                        repeated = True
            if repeated:
                continue
            mu = contacts.mu[c] * friction / np.cos(np.pi / EDGES)
            for e in range(EDGES if mu > 0 else 1):
                w.contact[n, 0], w.contact[n, 1] = side, c
                w.edge[n, 0] = mu * np.cos(2 * np.pi * e / EDGES)
                w.edge[n, 1] = mu * np.sin(2 * np.pi * e / EDGES)
                n += 1
    w.edges[0] = n


@numba.njit(nogil=True, cache=True)
def _solve(problem, need, before, after, component, with_actuators, w, residual) -> int:
    """Solve one component for the edges listed; writes its rows of `residual` (nv,) [N, N m]."""
    m = 0
    for v in range(problem.dof_tree.shape[0]):
        finite = np.isfinite(problem.limit[v])
        if w.label[problem.dof_tree[v]] == component and (not problem.actuated[v] or (with_actuators and finite)):
            w.rows[m] = v
            m += 1
    if m == 0:
        return 0
    n = w.edges[0]
    for k in range(n):
        d = (after if w.contact[k, 0] == 1 else before).direction[w.contact[k, 1]]
        for r in range(m):
            v = w.rows[r]
            w.a[r, k] = (d[0, v] + w.edge[k, 0] * d[1, v] + w.edge[k, 1] * d[2, v]) * problem.scale[v]
    w.upper[:n] = np.inf
    for r in range(m):
        v = w.rows[r]
        w.b[r] = need[v] * problem.scale[v]
        if problem.actuated[v]:  # τ = x − limit, 0 ≤ x ≤ 2 limit
            w.b[r] += problem.limit[v] * problem.scale[v]
            w.a[:m, n] = 0.0
            w.a[r, n] = problem.scale[v]
            w.upper[n] = 2 * problem.limit[v]
            n += 1
    w.state[:n] = AT_ZERO
    answer = bounded_least_squares(
        w.a[:m, :n], w.b[:m], w.upper[:n], w.x[:n], w.state[:n], w.columns, w.normal, w.z, w.left[:m], MOST_ITERATIONS
    )
    for r in range(m):
        residual[w.rows[r]] = w.left[r] / problem.scale[w.rows[r]]
    return answer


@numba.njit(nogil=True, cache=True)
def _torques(problem, need, before, after, component, w, torque) -> bool:
    """τ = n − Jᵀf of the last witness for the component's actuated rows; whether all are within their limits."""
    for v in range(problem.dof_tree.shape[0]):
        if problem.actuated[v] and w.label[problem.dof_tree[v]] == component:
            torque[v] = need[v]
    for k in range(w.edges[0]):
        if w.x[k] == 0.0:
            continue
        d = (after if w.contact[k, 0] == 1 else before).direction[w.contact[k, 1]]
        for v in range(problem.dof_tree.shape[0]):
            if problem.actuated[v]:
                torque[v] -= w.x[k] * (d[0, v] + w.edge[k, 0] * d[1, v] + w.edge[k, 1] * d[2, v])
    within = True
    for v in range(problem.dof_tree.shape[0]):
        if problem.actuated[v] and w.label[problem.dof_tree[v]] == component:
            within = within and abs(torque[v]) <= problem.limit[v] * (1 + 1e-9)
    return within


@numba.njit(nogil=True, cache=True)
def explain_interval(problem, need, before, after, friction, w, residual, torque, touched, failed) -> None:
    """Explain one interval.

    Args:
        problem: Problem.
        need: (nv,) n [N, N m].
        before, after: contacts of the interval's end frames.
        friction: factor on every friction coefficient.
        w: Scratch.
        residual: (nv,) what stays unexplained [N, N m]; written.
        torque: (nv,) actuator torque of the witness [N m, N]; written.
        touched: (ntree,) number of candidate contacts of each tree's component; written.
        failed: (1,) components whose solver did not converge; added to.
    """
    components(problem, before, after, w.label)
    residual[:] = 0.0
    torque[:] = need
    for component in range(1, w.label.shape[0]):
        if w.label[component] != component:
            continue
        wanted = False
        for t in range(1, w.label.shape[0]):
            wanted = wanted or (w.label[t] == component and problem.judged[t])
        if not wanted:
            continue
        _list_edges(problem, before, after, component, friction, w)
        answer = _solve(problem, need, before, after, component, False, w, residual)
        if not _torques(problem, need, before, after, component, w, torque):
            answer = _solve(problem, need, before, after, component, True, w, residual)
            _torques(problem, need, before, after, component, w, torque)
        failed[0] += answer < 0
        for t in range(w.label.shape[0]):
            if w.label[t] == component:
                touched[t] = w.edges[0]


@numba.njit(nogil=True, cache=True)
def explain_all(
    h, problem, time, qpos, qvel, need, reach, friction_at, friction, sets, w, jac, point, residual, torque, touched
) -> int:
    """Explain every interval of an episode.

    Args:
        h: Handles.
        problem: Problem.
        time, qpos, qvel: (T,) [s], (T, nq), (T, nv).
        need: (T − 1, nv) n of each interval.
        reach: [m] shapes this near or nearer may touch.
        friction_at: [8 bytes] offset of the friction coefficients in a contact.
        friction: factor on every friction coefficient.
        sets: two ContactSets.
        w: Scratch.
        jac: scratch (2, 6, nv).
        point: scratch (3,).
        residual, torque: (T − 1, nv); written.
        touched: (T − 1, ntree); written.

    Returns:
        intervals in which the solver did not converge.
    """
    failed = np.zeros(1, np.int64)
    dt = time[1] - time[0]
    gather(h, problem, qpos[0], qvel[0], dt, reach, friction_at, jac[0], jac[1], point, sets[0])
    for t in range(need.shape[0]):
        before, after = sets[t % 2], sets[1 - t % 2]
        dt = time[t + 1] - time[t]
        gather(h, problem, qpos[t + 1], qvel[t + 1], dt, reach, friction_at, jac[0], jac[1], point, after)
        explain_interval(problem, need[t], before, after, friction, w, residual[t], torque[t], touched[t], failed)
    return failed[0]
