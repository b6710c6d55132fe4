"""`python -m deploy`: the `crossroads` command."""

from deploy.command import app

if __name__ == "__main__":
    app()
