"""Making artifacts and measuring them, with torch: the extra ``export``. Users never need it."""
