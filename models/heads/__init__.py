"""Raw network outputs to detections, one reference head a file, pure numpy."""
