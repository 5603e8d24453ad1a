"""How still clips are drawn, by frames' own statistics and by their moving average."""
