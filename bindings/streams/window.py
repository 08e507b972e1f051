"""`--show`: frames in a window of the desktop, by Tk, which most Pythons bring along; closing it ends the stream."""

from __future__ import annotations

from typing import Any

from ..pictures import portable_pixmap
from .errors import MissingWindow
from .frames import Pixels


class Window:
    """One window, used from the thread that made it. Raises MissingWindow where there is no Tk or no screen."""

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            remedy = "Install it (Debian: apt-get install python3-tk), or write a file with --out"
            raise MissingWindow(f"--show needs Tk, which this Python has not. {remedy}.") from error
        self._tk: Any = tkinter
        try:
            self._root: Any = tkinter.Tk()
        except tkinter.TclError as error:
            raise MissingWindow(f"--show found no screen ({error}). Write a file with --out instead.") from error
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        self._label: Any = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._photo: Any = None
        self.open = True

    def show(self, pixels: Pixels) -> None:
        """Show uint8 [H, W, 3], smaller by a whole factor where the screen is; nothing once the window is closed."""
        if not self.open:
            return
        high, wide = self._root.winfo_screenheight(), self._root.winfo_screenwidth()
        step = max(1, -(-pixels.shape[0] // high), -(-pixels.shape[1] // wide))
        photo = self._tk.PhotoImage(data=portable_pixmap(pixels[::step, ::step]), format="PPM")
        self._label.configure(image=photo)
        self._photo = photo  # Tk itself keeps no reference to what it shows
        self._root.update()

    def close(self) -> None:
        """Take the window away; more than once does no harm."""
        if self.open:
            self.open = False
            self._root.destroy()
