"""The pages of docs/ that the benchmarks write: their tables, bars and notes, one module a page."""
