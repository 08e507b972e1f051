"""A real RTSP server on loopback, GStreamer's: run by the system's Python, which has its bindings.

Usage: python3 rtsp_server.py FILE.mp4 PORT   (0 takes a free one; prints the URL)
"""

from __future__ import annotations

import sys
from typing import Any, cast

import gi  # pyright: ignore[reportMissingImports]

_gi = cast(Any, gi)
_gi.require_version("Gst", "1.0")
_gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  # pyright: ignore

gst, rtsp, loop = cast(Any, Gst), cast(Any, GstRtspServer), cast(Any, GLib).MainLoop()
gst.init(None)
server = rtsp.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[2])
factory = rtsp.RTSPMediaFactory()
factory.set_launch(
    f"( filesrc location={sys.argv[1]} ! qtdemux ! h264parse config-interval=1 ! rtph264pay name=pay0 pt=96 )"
)
server.get_mount_points().add_factory("/door", factory)
if not server.attach(None):
    raise SystemExit(f"port {sys.argv[2]} cannot be bound")
print(f"rtsp://127.0.0.1:{server.get_bound_port()}/door", flush=True)
loop.run()
