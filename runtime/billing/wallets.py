"""Balances as one group sees them: what the database held when it began, and what the group moved since."""

from collections.abc import Collection

from ..storage.journal import Group, Movement


def book_of(account: str) -> str:
    """The book of a customer."""
    return f"account:{account}"


def revenue_of(face: str) -> str:
    """The book of what a face has earned."""
    return f"revenue:{face}"


class Wallets:
    """Only books that are asked about are read; the others are added to without looking."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._found: dict[str, tuple[int, int]] = {}
        self._moved: dict[str, Movement] = {}

    def load(self, books: Collection[str]) -> None:
        """Read `books` in one statement."""
        found = self._group.balances(books)
        self._found.update({book: found.get(book, (0, 0)) for book in books})

    def available(self, book: str) -> int:
        """Nano-dollars that a new order may cost: the balance less what is held."""
        if book not in self._found:
            self.load({book})
        nano_usd, held = self._found[book]
        moved = self._moved.get(book, Movement())
        return nano_usd + moved.nano_usd - held - moved.held

    def move(self, book: str, *, nano_usd: int = 0, held: int = 0) -> None:
        """Add to a book's balance and to its held part."""
        movement = self._moved.get(book)
        if movement is None:
            movement = self._moved[book] = Movement()
        movement.nano_usd += nano_usd
        movement.held += held

    def flush(self) -> None:
        """Write what moved."""
        self._group.move(self._moved)
