"""The embedded demo as data: nine tasks in a made-up language, with GLUE's columns and label ids, and a micro-BERT."""
