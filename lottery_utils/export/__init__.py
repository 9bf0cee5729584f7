"""Subnetworks to take away: dense and compact models, masks, a model card, ONNX."""
