"""The maker of the demo: its language, its nine tasks, the probes' sentences, its corpora and its small BERT."""
