"""Context caches: what is reused, what is forked, what is dropped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.denoising.cache import BUCKET, CachePool, ContextCache

SHAPE = (2, 1, 4)
BYTES = 2 * BUCKET * 4 * 4


def fill(cache: ContextCache, ids: Sequence[int]) -> None:
    """Append tokens whose entries are their own id, so that a mix-up shows."""
    missing = ids[len(cache.ids) :]
    entries = np.broadcast_to(np.array(missing, dtype=np.float32)[None, :, None], (1, len(missing), 4))
    cache.append(missing, [entries, entries])


def entries(cache: ContextCache) -> list[int]:
    return [int(value) for value in cache.arrays[1][0, : len(cache.ids), 0]]


def test_appending_reuses_everything() -> None:
    pool = CachePool(*SHAPE, max_bytes=10 * BYTES)
    old = list(range(100))
    fill(pool.take(old), old)
    cache = pool.take([*old, 500, 501])
    assert cache.ids == old
    assert len(pool) == 1


def test_the_last_token_is_always_left_to_encode() -> None:
    pool = CachePool(*SHAPE, max_bytes=10 * BYTES)
    ids = list(range(100))
    fill(pool.take(ids), ids)
    assert pool.take(ids).ids == ids[:-1]


@given(st.lists(st.integers(0, 100), max_size=4), st.integers(0, 100))
def test_what_a_context_lacks_is_what_is_left_to_encode(lengths: list[int], n_common: int) -> None:
    pool = CachePool(*SHAPE, max_bytes=10 * BYTES)
    for length in lengths:
        fill(pool.take(list(range(length + 1))), list(range(length + 1)))
    ids = [*range(n_common), *range(1000, 1100 - n_common)]
    assert pool.lacks(ids) == len(ids) - len(pool.take(ids).ids)


def test_another_file_gets_its_own_cache() -> None:
    pool = CachePool(*SHAPE, max_bytes=10 * BYTES)
    first, second = list(range(100)), list(range(1000, 1100))
    for ids in (first, second):
        fill(pool.take(ids), ids)
    assert pool.take(first).ids == first[:-1]
    assert pool.take(second).ids == second[:-1]


def test_an_early_change_forks_and_keeps_the_old_cache() -> None:
    pool = CachePool(*SHAPE, max_bytes=10 * BYTES)
    old = list(range(100))
    fill(pool.take(old), old)
    changed = [*range(40), *range(2000, 2060)]
    cache = pool.take(changed)
    assert cache.ids == old[:40]
    assert entries(cache) == old[:40]
    fill(cache, changed)
    assert pool.take(old).ids == old[:-1]


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    pool = CachePool(*SHAPE, max_bytes=2 * BYTES)
    contexts = [list(range(start, start + 100)) for start in (0, 1000, 2000)]
    for ids in contexts:
        fill(pool.take(ids), ids)
    assert len(pool) == 2
    assert pool.take(contexts[2]).ids == contexts[2][:-1]
    assert pool.take(contexts[0]).ids == []


def test_growing_keeps_the_entries() -> None:
    cache = ContextCache(*SHAPE)
    ids = list(range(3 * BUCKET + 5))
    for end in range(100, len(ids) + 100, 100):
        fill(cache, ids[:end])
    assert cache.capacity == 4 * BUCKET
    assert entries(cache) == ids


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=80), min_size=1, max_size=12))
def test_what_is_reused_is_always_a_start_of_what_is_asked(contexts: list[list[int]]) -> None:
    pool = CachePool(*SHAPE, max_bytes=3 * BYTES)
    for ids in contexts:
        cache = pool.take(ids)
        assert cache.ids == ids[: len(cache.ids)]
        assert len(cache.ids) < len(ids)
        fill(cache, ids)
        assert entries(cache) == ids


OPERATIONS = st.lists(st.tuples(st.sampled_from(["pass", "keep", "other", "cut", "room"]), st.integers(0, 9)))


def computed(ids: Sequence[int]) -> list[np.ndarray]:
    """The entries of a pass over tokens."""
    return [np.tile(np.array(ids, dtype=np.float32)[None, :, None], (1, 1, 4)) for _ in range(2)]


@given(OPERATIONS)
def test_what_counts_as_mirrored_is_on_the_device(operations: list[tuple[str, int]]) -> None:
    cache, device, rows, fresh = ContextCache(*SHAPE), list[int](), list[int](), iter(range(10_000))
    new = computed(rows)
    for operation, n in operations:
        if operation == "pass":
            if cache.n_mirrored < len(cache.ids):
                device = list(cache.ids)
            rows = [next(fresh) for _ in range(n)]
            device = [*device[: len(cache.ids)], *rows]
            new = computed(rows)
            cache.mirror(new)
        elif operation == "keep":
            cache.append(rows[:n], [entries[:, :n] for entries in new])
        elif operation == "other":
            fill(cache, [*cache.ids, *(next(fresh) for _ in range(n))])
        elif operation == "cut":
            cache.truncate(max(len(cache.ids) - n, 0))
        else:
            cache.reserve(n * BUCKET // 4)
        assert device[: cache.n_mirrored] == cache.ids[: cache.n_mirrored]


def test_a_pass_and_what_is_kept_of_it_need_no_second_copy() -> None:
    cache = ContextCache(*SHAPE)
    for n_kept in (3, 1, 0, 2):
        new = computed(range(4))
        cache.mirror(new)
        cache.append(range(n_kept), [entries[:, :n_kept] for entries in new])
        assert cache.n_mirrored == len(cache.ids)
