"""Seconds of differential.py: 32 random sessions at once over a pool of 4, and directly.

DIFF_SECONDS and DIFF_SEED choose more, or a round again; the seed is printed.
"""
import os
import random

import pytest

import differential

SECONDS = float(os.environ.get("DIFF_SECONDS", "10"))


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["mariadb", "mysql56"])
def test_sessions_answer_as_directly_for_minutes(kind, request, proxy):
    play(kind, request, proxy, float(os.environ.get("SOAK_SECONDS", "180")))


def test_sessions_answer_as_directly(request, proxy):
    """MySQL 5.6 tells no state: what the lexer alone makes of it is played in the soak only."""
    play("mariadb", request, proxy, SECONDS, seed="511")  # the same for everybody; the soak draws its own


def play(kind, request, proxy, seconds, seed=None):
    server = request.getfixturevalue("pair").writer if kind == "mariadb" else request.getfixturevalue("mysql56")
    seed = os.environ.get("DIFF_SEED") or seed or str(random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")
    arena = differential.Arena(server, proxy(differential.proxy_text(server)), proxy)
    rounds, report = arena.soak(seed, seconds, 32, 60)
    print(f"{rounds} rounds, {arena.steps_run} steps")
    assert report is None, f"DIFF_SEED={seed}\n{report}"
