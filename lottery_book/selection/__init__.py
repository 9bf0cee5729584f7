"""Chapter 21: subnetworks chosen on examples they are not scored on."""
