"""Social risks: declared alone, told to who insures, held against the DmfA. docs/declarations.md, "Risks"."""
