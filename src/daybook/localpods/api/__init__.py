"""The words of the Kubernetes API: its errors, selectors, patches, tables and what a pod must look like."""
