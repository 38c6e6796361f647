"""What lies beside archives and exports, and describes them."""
