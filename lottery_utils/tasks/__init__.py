"""What BERT is tested on: the nine GLUE tasks, their data and their metrics."""
