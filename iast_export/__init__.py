"""iast-export: a trained style-transfer network in, a mobile bundle that can be trusted out."""

import os

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime counts its uses unless told not to before it is imported: a device id
# and the names of models under the user's cache, sent over the network. Child processes inherit
# this.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
