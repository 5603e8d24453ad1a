"""How good the networks are beside the methods they claim to beat: same pictures, run, scores.

Methods (`methods`, `transforms`, `gatys`, `pca_kd`, `fast_style`) make pictures, `scores` judges
them, `store` keeps what was judged, `statistics` compares with intervals, `report` and `plots` show
it.
"""
