"""The registers of persons whom the National Register does not hold: institution 25-0. docs/numbers.md."""
