"""Writing to Dynamics 365 Finance: payment journals, settlements, credit, notes, disputes."""
