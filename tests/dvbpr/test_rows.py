"""Adam on user rows: against a loop in float64; rows outside the batch stay as they are."""

import numpy as np
import torch

from dvbpr.rows import UserRows


def test_each_row_follows_adam_on_its_own_gradients(rng: np.random.Generator) -> None:
    n_users, k, rate = 7, 3, 0.05
    start = rng.standard_normal((n_users, k)).astype(np.float32)
    rows = UserRows(torch.from_numpy(start.copy()), learning_rate=rate)
    expected = start.astype(np.float64)
    first, second = np.zeros((n_users, k)), np.zeros((n_users, k))
    steps = np.zeros(n_users, dtype=int)
    for _ in range(12):
        users = rng.integers(5, size=4)  # with repeats; users 5 and 6 never come
        gradient = rng.standard_normal((4, k)).astype(np.float32)
        summed: dict[int, np.ndarray] = {}
        for user, g in zip(users.tolist(), gradient.astype(np.float64), strict=True):
            summed[user] = summed.get(user, np.zeros(k)) + g
        for user, g in summed.items():
            steps[user] += 1
            first[user] = 0.9 * first[user] + 0.1 * g
            second[user] = 0.999 * second[user] + 0.001 * g**2
            m = first[user] / (1 - 0.9 ** steps[user])
            v = second[user] / (1 - 0.999 ** steps[user])
            expected[user] -= rate * m / (np.sqrt(v) + 1e-8)
        before = rows.table.clone()
        rows.step(torch.from_numpy(users), torch.from_numpy(gradient))
        outside = np.setdiff1d(np.arange(n_users), users)
        assert torch.equal(rows.table[outside], before[outside])
    np.testing.assert_allclose(rows.table.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(rows.table[5:].numpy(), start[5:])
    np.testing.assert_array_equal(rows.state()["steps"], steps)


def test_state_and_load_go_on_to_the_last_bit(rng: np.random.Generator) -> None:
    start = torch.from_numpy(rng.standard_normal((6, 2)).astype(np.float32))
    one = UserRows(start.clone(), learning_rate=0.1)
    users = torch.tensor([0, 3, 3])
    gradients = [torch.from_numpy(rng.standard_normal((3, 2)).astype(np.float32)) for _ in range(4)]
    for gradient in gradients[:2]:
        one.step(users, gradient)
    two = UserRows(torch.zeros(6, 2), learning_rate=0.1)
    two.load(one.state())
    for gradient in gradients[2:]:
        one.step(users, gradient)
        two.step(users, gradient)
    assert torch.equal(one.table, two.table)
