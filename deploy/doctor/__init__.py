"""What `crossroads doctor` looks at, and what it makes of it: docs/operators.md, "Doctor".

`facts` looks and changes nothing; each check is a pure function of what was seen.
"""
