"""neurogloss on torch and transformers; importing this package loads neither."""

import os

# OpenMP's threads wait for their next task by keeping a processor busy for milliseconds, and so hold up the reducers'
# loops, which run between the model's layers. Read when torch is loaded, so it must be said before.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
    os.environ["GOMP_SPINCOUNT"] = "10000"
