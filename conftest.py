"""For every tier: no network, no provider's key."""

import os
import shutil

# Before anything imports huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Without a GPU Triton interprets kernels; it reads this when it is first imported.
if shutil.which("nvidia-smi") is None:
    os.environ["TRITON_INTERPRET"] = "1"
for _name in [name for name in os.environ if name.endswith(("_API_KEY", "_API_TOKEN"))]:
    del os.environ[_name]
