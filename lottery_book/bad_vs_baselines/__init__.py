"""Chapter 7: bad subnetworks beside simple models and random weights, and fine-tuned for longer."""
