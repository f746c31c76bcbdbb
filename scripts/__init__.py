"""Programs that write pages and pictures, and the parts of files that repeat the code."""
