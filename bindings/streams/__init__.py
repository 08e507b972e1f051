"""Frames in, detections and drawings out: files, cameras, RTSP and folders, decoded while others are looked at."""
