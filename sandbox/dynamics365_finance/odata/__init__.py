"""OData v4 as finance and operations speaks it: sets, filters, pages, batches; no business."""
