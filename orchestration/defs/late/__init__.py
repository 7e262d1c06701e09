"""Late-payment prediction, retrained on a schedule of its own."""
