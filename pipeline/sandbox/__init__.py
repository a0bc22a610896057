"""A simulated region: an archive in the format of HLS whose weather, soil and crops are coupled."""
