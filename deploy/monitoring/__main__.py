"""Write every file that is made from code."""

from deploy.monitoring import made

for path, text in made.files().items():
    file = made.ROOT / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
