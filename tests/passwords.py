"""Passwords of broker users in tests: users are the broker's and not a vhost's, so that two networks beside each other
give the same user the same one."""

from collections.abc import Iterable, Mapping


def passwords_of(users: Iterable[str]) -> Mapping[str, str]:
    """By user."""
    return {user: f"password-of-{user}" for user in users}
