"""Large pictures and views of a scene: how near to what was meant, how fast, how much memory."""
