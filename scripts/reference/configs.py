"""
The keys that transformers writes into config.json for each family, and those that its models read.

    pip install torch transformers
    python scripts/reference/configs.py      # writes test/fixtures/models/configs.json

`defaults` is what the installed version writes for a default configuration. `earlier` are the keys that versions 2 to 4 also
wrote, with their defaults there. `reads` are the attributes of the configuration that the modeling code of the family uses.
"""

import inspect
import json
import platform
import re
import sys

import torch
import transformers
from transformers import (
    DistilBertConfig,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PhiConfig,
    Qwen3Config,
    RobertaConfig,
)
from transformers.models.distilbert import modeling_distilbert
from transformers.models.gemma2 import modeling_gemma2
from transformers.models.gpt2 import modeling_gpt2
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.opt import modeling_opt
from transformers.models.phi import modeling_phi
from transformers.models.phi3 import modeling_phi3
from transformers.models.qwen3 import modeling_qwen3
from transformers.models.roberta import modeling_roberta

from make import FOLDER

# PretrainedConfig.to_dict of transformers 4.40, as that version documents it.
GENERATION = {
    "max_length": 20,
    "min_length": 0,
    "do_sample": False,
    "early_stopping": False,
    "num_beams": 1,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "num_return_sequences": 1,
    "output_scores": False,
    "return_dict_in_generate": False,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "remove_invalid_values": False,
    "exponential_decay_length_penalty": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
}
GENERAL = {
    "_name_or_path": "",
    "_attn_implementation_autoset": False,
    "return_dict": True,
    "output_hidden_states": False,
    "output_attentions": False,
    "torchscript": False,
    "torch_dtype": "float32",
    "use_bfloat16": False,
    "tf_legacy_loss": False,
    "pruned_heads": {},
    "chunk_size_feed_forward": 0,
    "is_encoder_decoder": False,
    "is_decoder": False,
    "cross_attention_hidden_size": None,
    "add_cross_attention": False,
    "tie_encoder_decoder": False,
    "finetuning_task": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "tokenizer_class": None,
    "prefix": None,
    "sep_token_id": None,
    "decoder_start_token_id": None,
    "task_specific_params": None,
    "problem_type": None,
}
EARLIER = {
    "gpt2": {
        "n_ctx": 1024,
        "output_past": True,
        "n_special": 0,
        "predict_special_tokens": True,
        "_num_labels": 1,
        "num_labels": 1,
        "gradient_checkpointing": False,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    },
    "llama": {
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "max_sequence_length": 2048,
        "pretraining_tp": 1,
    },
    "phi3": {
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "attention_bias": False,
        "partial_rotary_factor": 1.0,
        "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"},
    },
}
FAMILIES = {
    "gpt2": (GPT2Config, modeling_gpt2),
    "llama": (LlamaConfig, modeling_llama),
    "phi3": (Phi3Config, modeling_phi3),
    "mistral": (MistralConfig, modeling_mistral),
    "qwen3": (Qwen3Config, modeling_qwen3),
    "gemma2": (Gemma2Config, modeling_gemma2),
    "gpt_neox": (GPTNeoXConfig, modeling_gpt_neox),
    "phi": (PhiConfig, modeling_phi),
    "opt": (OPTConfig, modeling_opt),
    "roberta": (RobertaConfig, modeling_roberta),
    "distilbert": (DistilBertConfig, modeling_distilbert),
}


def main() -> None:
    families = {
        name: {
            "class": config.__name__.removesuffix("Config"),
            "defaults": json.loads(config().to_json_string(use_diff=False)),
            "earlier": {**GENERAL, **GENERATION, **EARLIER.get(name, {})},
            "reads": sorted(set(re.findall(r"\bconfig\.([a-z]\w*)", inspect.getsource(modeling)))),
        }
        for name, (config, modeling) in FAMILIES.items()
    }
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    content = {"versions": versions, "families": families}
    (FOLDER / "configs.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
