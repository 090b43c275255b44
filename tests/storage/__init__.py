"""Areas, the engine and the cold tier on a local directory, Azure Blob and S3."""
