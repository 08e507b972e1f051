"""What a GPU makes of every architecture: parity with the CPU, then speed beside the device's own ceilings."""
