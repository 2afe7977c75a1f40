"""DVBPR: a CNN that learns taste from pixels, and what it needs: images, networks, training."""
