"""The NSSO's structured messages by release: a form is a folder with `form.toml` and its XSDs, like a service."""
