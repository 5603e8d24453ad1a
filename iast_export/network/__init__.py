"""The network: its protocol, the packaged one, checkpoints and subnetworks."""
