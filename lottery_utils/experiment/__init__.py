"""What has been run: cells, their addresses, the store, the stages, the engines, the study."""
