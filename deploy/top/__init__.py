"""What `crossroads top` shows: figures read from the processes, two scrapes held against each other, drawn."""
