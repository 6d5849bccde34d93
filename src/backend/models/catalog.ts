/** Every family of models by its file's name. Written by `npm run generate`. */
import type { AnyFamily } from "./family";
import bert from "./bert";
import distilbert from "./distilbert";
import gemma2 from "./gemma2";
import gemma3Text from "./gemma3_text";
import gpt2 from "./gpt2";
import gptNeox from "./gpt_neox";
import kphi3 from "./kphi3";
import llama from "./llama";
import mistral from "./mistral";
import opt from "./opt";
import phi from "./phi";
import phi3 from "./phi3";
import qwen2 from "./qwen2";
import qwen3 from "./qwen3";
import roberta from "./roberta";
import smollm3 from "./smollm3";

export const models: Readonly<Record<string, AnyFamily>> = {
  bert,
  distilbert,
  gemma2,
  gemma3_text: gemma3Text,
  gpt2,
  gpt_neox: gptNeox,
  kphi3,
  llama,
  mistral,
  opt,
  phi,
  phi3,
  qwen2,
  qwen3,
  roberta,
  smollm3,
};
