"""Drawn images at their URLs: for a while, in bounded memory, under names that nobody guesses."""

from __future__ import annotations

from inflare.runtime.http.gallery import Gallery


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_image_is_shown_until_its_time_is_over() -> None:
    clock = Hands()
    gallery = Gallery(100, 10, clock=clock)
    name = gallery.hang(b"image")
    clock.now = 9.9
    before = gallery.show(name)
    clock.now = 10.0
    assert (before, gallery.show(name)) == (b"image", None)


def test_the_oldest_images_give_way() -> None:
    gallery = Gallery(100, 10)
    first, second, third = (gallery.hang(bytes(40)) for _ in range(3))
    assert [gallery.show(name) is not None for name in (first, second, third)] == [False, True, True]


def test_an_image_larger_than_all_memory_is_shown_alone() -> None:
    gallery = Gallery(100, 10)
    first, large = gallery.hang(bytes(40)), gallery.hang(bytes(1000))
    assert (gallery.show(first), len(gallery.show(large) or b"")) == (None, 1000)


def test_names_cannot_be_guessed() -> None:
    gallery = Gallery(10_000, 10)
    names = {gallery.hang(b"image") for _ in range(100)}
    assert len(names) == 100 and all(len(name) == 32 for name in names)
