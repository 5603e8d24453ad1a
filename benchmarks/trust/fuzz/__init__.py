"""Fuzzing of every reader: damaged inputs end in a valid result or in one of the project's errors.

`make fuzz MINUTES=5`, or `python -m benchmarks.trust.fuzz --cases 10000 --seed 1`. A finding is an
exception that is none of ours (exit code 1), a crash, a hang, memory beyond the limit, or an
altered file that was taken though its hash was recorded. Found once, it becomes a file in
`tests/fuzz_cases`.
"""
