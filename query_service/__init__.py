"""The search pipeline: request -> embedding -> code -> guide -> plan -> scan -> fetch -> hits."""
