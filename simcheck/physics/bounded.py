"""Bounded least squares for many small problems: the kernel of "who explains this motion?".

    minimise ‖A x − b‖²  subject to  0 ≤ x_j ≤ u_j        A (m, n), m ≪ n

Active-set method of Stark and Parker (1995, "Bounded-variable least squares"), which is Lawson and Hanson's NNLS
where u = ∞. The passive set never holds more than m columns, so its normal equations are tiny; a column that would
make them singular is left out, as another combination already does its work.
"""

from __future__ import annotations

import numba
import numpy as np

AT_ZERO, FREE, AT_BOUND = 0, 1, 2


@numba.njit(nogil=True, cache=True)
def _solve_free(a, target, columns, count, normal, z) -> int:
    """Least squares on `count` columns by Cholesky of their normal equations.

    Returns:
        −1, or the position of the first column that depends on those before it.
    """
    m = a.shape[0]
    for i in range(count):
        for j in range(i + 1):
            s = 0.0
            for r in range(m):
                s += a[r, columns[i]] * a[r, columns[j]]
            for k in range(j):
                s -= normal[i, k] * normal[j, k]
            if i == j:
                size = 0.0
                for r in range(m):
                    size += a[r, columns[i]] ** 2
                if s <= 1e-13 * size:
                    return i
                normal[i, i] = np.sqrt(s)
            else:
                normal[i, j] = s / normal[j, j]
    for i in range(count):
        s = 0.0
        for r in range(m):
            s += a[r, columns[i]] * target[r]
        for k in range(i):
            s -= normal[i, k] * z[k]
        z[i] = s / normal[i, i]
    for i in range(count - 1, -1, -1):
        s = z[i]
        for k in range(i + 1, count):
            s -= normal[k, i] * z[k]
        z[i] = s / normal[i, i]
    return -1


@numba.njit(nogil=True, cache=True)
def bounded_least_squares(a, b, upper, x, state, columns, normal, z, residual, most) -> int:
    """Solve one problem.

    Args:
        a: (m, n).
        b: (m,).
        upper: (n,) ≥ 0, inf where there is no bound.
        x: (n,) solution; written.
        state: (n,) AT_ZERO, FREE or AT_BOUND; a warm start is read from it.
        columns: scratch (m + 1,) of int64.
        normal: scratch (m + 1, m + 1).
        z: scratch (m + 1,).
        residual: (m,) b − A x; written.
        most: iterations allowed.

    Returns:
        iterations, or −1 where `most` did not suffice.
    """
    m, n = a.shape
    count = 0
    for j in range(n):
        x[j] = upper[j] if state[j] == AT_BOUND and np.isfinite(upper[j]) else 0.0
        if state[j] == FREE:
            if count < m:
                columns[count] = j
                count += 1
            else:
                state[j] = AT_ZERO
    size = 0.0
    for r in range(m):
        size += b[r] * b[r]
    barred = -1
    refit = count > 0
    for iteration in range(most):
        if refit:
            count = _descend(a, b, upper, x, state, columns, count, normal, z, residual)
        for r in range(m):
            residual[r] = b[r]
        for j in range(n):
            if x[j] != 0.0:
                for r in range(m):
                    residual[r] -= a[r, j] * x[j]
        left = 0.0
        for r in range(m):
            left += residual[r] * residual[r]
        if left <= 1e-24 * size:
            return iteration
        chosen, gain = -1, 0.0
        for j in range(n):
            if state[j] == FREE or j == barred or upper[j] <= 0.0:
                continue
            w, norm = 0.0, 0.0
            for r in range(m):
                w += a[r, j] * residual[r]
                norm += a[r, j] * a[r, j]
            if state[j] == AT_BOUND:
                w = -w
            # Steepest in the angle between the column and the residual, so that the scaling of columns is no matter.
            if w > 1e-10 * np.sqrt(norm * left) and w * w > gain * norm:
                chosen, gain = j, w * w / norm
        if chosen < 0 or count >= m:
            return iteration
        from_bound = state[chosen] == AT_BOUND
        columns[count] = chosen
        state[chosen] = FREE
        count += 1
        if _depends(a, columns, count, normal, z, residual):
            count -= 1
            state[chosen] = AT_BOUND if from_bound else AT_ZERO
            barred = chosen
            refit = False
            continue
        barred = -1
        refit = True
    return -1


@numba.njit(nogil=True, cache=True)
def _depends(a, columns, count, normal, z, target) -> bool:
    return _solve_free(a, target, columns, count, normal, z) >= 0


@numba.njit(nogil=True, cache=True)
def _descend(a, b, upper, x, state, columns, count, normal, z, target) -> int:
    """Move to the least-squares solution of the free columns, freezing those that hit a bound on the way."""
    m = a.shape[0]
    while count > 0:
        for r in range(m):
            target[r] = b[r]
        for j in range(x.shape[0]):
            if state[j] == AT_BOUND:
                for r in range(m):
                    target[r] -= a[r, j] * upper[j]
        dependent = _solve_free(a, target, columns, count, normal, z)
        if dependent >= 0:  # a warm start may bring one
            state[columns[dependent]] = AT_ZERO
            x[columns[dependent]] = 0.0
            for k in range(dependent, count - 1):
                columns[k] = columns[k + 1]
            count -= 1
            continue
        step, blocking, ends_at = 1.0, -1, AT_ZERO
        for k in range(count):
            j = columns[k]
            if z[k] < 0.0:
                share = x[j] / (x[j] - z[k]) if x[j] > 0.0 else 0.0
                if share < step or blocking < 0:
                    step, blocking, ends_at = min(share, step), k, AT_ZERO
            elif z[k] > upper[j]:
                share = (upper[j] - x[j]) / (z[k] - x[j])
                if share < step or blocking < 0:
                    step, blocking, ends_at = min(share, step), k, AT_BOUND
        for k in range(count):
            x[columns[k]] += step * (z[k] - x[columns[k]])
        if blocking < 0:
            return count
        j = columns[blocking]
        state[j] = ends_at
        x[j] = upper[j] if ends_at == AT_BOUND else 0.0
        for k in range(blocking, count - 1):
            columns[k] = columns[k + 1]
        count -= 1
    return count
