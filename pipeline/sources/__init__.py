"""Sources: one module or folder for each archive or service. `register` lists them all."""
