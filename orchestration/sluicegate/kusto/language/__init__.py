"""Microsoft's parser of KQL in process, and nothing of what a project may write."""
