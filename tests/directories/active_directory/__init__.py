"""What only Active Directory does: its certificates, refusals, policies and rights."""
