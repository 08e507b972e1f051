"""The real clients, driven as their users drive them, against a real `inflare dev`. `scripts/clients` installs them."""
