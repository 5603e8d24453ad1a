"""What the tool is held to where inputs are damaged, forged or odd, and processes end."""
